/**
 * Quorums of an erasure set, and what they tolerate.
 *
 * With k data and m parity shards on N = k + m slots, a write is acknowledged by W slots, any M = N - W + 1 answers meet
 * every acknowledged write, and a read asks R = max(k, M). Losing a node costs up to r slots of a set, where r is the most
 * drives that one node has in it, so tolerances in nodes follow from those in drives.
 */

/** k and m of a set. */
export type Coding = { readonly data: number; readonly parity: number };

export type Quorums = {
  /** N: slots of the set. */
  readonly size: number;
  /** W: slots that must accept a write before it is acknowledged. */
  readonly write: number;
  /** M: answers that meet every acknowledged write (HEAD, LIST, prepare). */
  readonly meet: number;
  /** R: answers that a read of data needs. */
  readonly read: number;
};

export type Tolerance = {
  readonly writesLose: { readonly drives: number; readonly nodes: number };
  readonly readsLose: { readonly drives: number; readonly nodes: number };
  /** Shards to spare of a version that only W slots took. */
  readonly spareShards: number;
};

/** W = max(N - ceil(m/2), floor(N/2) + 1), M = N - W + 1, R = max(k, M). */
export function quorums(coding: Coding): Quorums {
  const size = coding.data + coding.parity;
  const write = Math.max(size - Math.ceil(coding.parity / 2), Math.floor(size / 2) + 1);
  const meet = size - write + 1;
  return { size, write, meet, read: Math.max(coding.data, meet) };
}

/** What a set survives; `drivesPerNode` is r, the most slots of the set on one node. */
export function tolerance(coding: Coding, drivesPerNode: number): Tolerance {
  const { size, write, read } = quorums(coding);
  return {
    writesLose: { drives: size - write, nodes: Math.floor((size - write) / drivesPerNode) },
    readsLose: { drives: size - read, nodes: Math.floor((size - read) / drivesPerNode) },
    spareShards: write - coding.data,
  };
}

/** Largest set that the default choice considers. */
const MAXIMUM_DEFAULT_SIZE = 16;

/**
 * The default coding of a pool of `nodes` with `drivesPerNode` drives each.
 *
 * For each set size up to 16 that divides the number of drives: the smallest parity of at least 2 that lets writes go on
 * without one node. A version that only the W slots took which acknowledged it may not be readable without a further node;
 * a rolling restart waits until it is healed (docs/decisions/0008). Of these the one with most usable space, then the
 * larger. Undefined where there is none (two nodes, or one): then the numbers must be written, because somebody has to
 * accept what they cost.
 */
export function defaultCoding(nodes: number, drivesPerNode: number): Coding | undefined {
  const drives = nodes * drivesPerNode;
  let best: Coding | undefined;
  for (let size = 3; size <= Math.min(MAXIMUM_DEFAULT_SIZE, drives); size += 1) {
    if (drives % size !== 0) continue;
    const coding = smallestParity(size, Math.ceil(size / nodes));
    if (coding !== undefined && (best === undefined || isBetter(coding, best))) best = coding;
  }
  return best;
}

function smallestParity(size: number, drivesPerNode: number): Coding | undefined {
  for (let parity = 2; parity < size; parity += 1) {
    const coding = { data: size - parity, parity };
    if (tolerance(coding, drivesPerNode).writesLose.nodes >= 1) return coding;
  }
  return undefined;
}

function isBetter(candidate: Coding, best: Coding): boolean {
  const candidateSize = candidate.data + candidate.parity;
  const bestSize = best.data + best.parity;
  // Usable shares compared as cross products, so that 2/4 and 4/8 are equal.
  const gain = candidate.data * bestSize - best.data * candidateSize;
  return gain > 0 || (gain === 0 && candidateSize > bestSize);
}
