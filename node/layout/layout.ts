/**
 * Assigns drives to the slots of erasure sets.
 *
 * Walk the nodes round and round, taking one more drive of each at every turn, and cut the walk into sets of N: any N
 * neighbours in a cyclic walk over n nodes meet each node at most ceil(N / n) times, which is the best there is. Zones
 * spread the same way if the walk alternates between them, so nodes are ordered by their relative rank in their zone.
 *
 *     4 nodes in zones a a b b, 2 drives each, N = 4:   walk  a0.0 b0.0 a1.0 b1.0 | a0.1 b0.1 a1.1 b1.1
 *                                                             set 0               | set 1 (rotated by one)
 *
 * The result is computed once, written into status and TOML, and never recomputed by newer code.
 */
import { type Quorums, quorums, type Tolerance, tolerance } from './quorum.ts';

/** One drive: a node by its id, the drive by its place in that node's list. */
export type SlotAssignment = { readonly node: number; readonly drive: number };

export type ErasureSet = {
  /** Unique in the cluster, never reused. */
  readonly id: number;
  readonly pool: string;
  /** k */
  readonly data: number;
  /** m */
  readonly parity: number;
  /** Share in placement. */
  readonly weight: number;
  /** Slot i stands at index i; the first `data` slots hold data shards. */
  readonly slots: readonly SlotAssignment[];
};

export type LayoutNode = { readonly id: number; readonly zone: string };

export type PoolLayoutInput = {
  readonly pool: string;
  readonly nodes: readonly LayoutNode[];
  /** Drives of each node; the same for all nodes of a pool. */
  readonly drivesPerNode: number;
  readonly data: number;
  readonly parity: number;
  readonly weight: number;
  /** Sets get this id and the following ones. */
  readonly firstSetId: number;
};

/**
 * The sets of one pool. Pure: the same input always gives the same sets, whatever the order of `nodes`.
 *
 * Throws RangeError when the drives do not fill whole sets or a node id stands twice.
 */
export function layoutPool(input: PoolLayoutInput): ErasureSet[] {
  const size = input.data + input.parity;
  const drives = input.nodes.length * input.drivesPerNode;
  if (drives === 0 || drives % size !== 0) {
    throw new RangeError(
      `Cannot lay out pool ${input.pool}: ${input.nodes.length} nodes x ${input.drivesPerNode} drives = ${drives} drives ` +
        `do not fill whole sets of ${input.data}+${input.parity} = ${size}`,
    );
  }
  if (new Set(input.nodes.map((node) => node.id)).size !== input.nodes.length) {
    throw new RangeError(`Cannot lay out pool ${input.pool}: a node id stands twice in ${input.nodes.map((node) => node.id).join(', ')}`);
  }
  const ordered = alternateZones(input.nodes);
  const walk: SlotAssignment[] = [];
  for (let drive = 0; drive < input.drivesPerNode; drive += 1) {
    for (const node of ordered) walk.push({ node: node.id, drive });
  }
  return Array.from({ length: drives / size }, (_, index) => ({
    id: input.firstSetId + index,
    pool: input.pool,
    data: input.data,
    parity: input.parity,
    weight: input.weight,
    slots: rotate(walk.slice(index * size, (index + 1) * size), index % size),
  }));
}

/** What a set tolerates as it is laid out: quorums, and losses in drives and nodes. */
export function describeSet(set: Pick<ErasureSet, 'data' | 'parity' | 'slots'>): {
  readonly quorums: Quorums;
  readonly tolerance: Tolerance;
  /** r: the most slots that one node has in the set. */
  readonly drivesPerNode: number;
} {
  const drivesPerNode = mostPerNode(set.slots);
  return { quorums: quorums(set), tolerance: tolerance(set, drivesPerNode), drivesPerNode };
}

/** r: the most slots that one node has among these. */
export function mostPerNode(slots: readonly SlotAssignment[]): number {
  const counts = new Map<number, number>();
  for (const slot of slots) counts.set(slot.node, (counts.get(slot.node) ?? 0) + 1);
  return Math.max(0, ...counts.values());
}

/** Nodes by ((rank in zone) + 1/2) / (size of zone), so that each stretch of the walk meets zones in their proportion. */
function alternateZones(nodes: readonly LayoutNode[]): LayoutNode[] {
  const zones = Map.groupBy(
    nodes.toSorted((left, right) => left.id - right.id),
    (node) => node.zone,
  );
  const ranked = [...zones].flatMap(([zone, members]) =>
    members.map((node, rank) => ({ node, zone, place: (2 * rank + 1) / members.length })),
  );
  const walk = ranked.toSorted(
    (left, right) => left.place - right.place || (left.zone < right.zone ? -1 : left.zone > right.zone ? 1 : left.node.id - right.node.id),
  );
  return walk.map((entry) => entry.node);
}

/** Sets start at different nodes, so that data slots, which reads ask first, do not gather on the same ones. */
function rotate<T>(items: readonly T[], by: number): T[] {
  return [...items.slice(by), ...items.slice(0, by)];
}
