/**
 * Which faults befall a cluster in what order: drawn from a seed, so that a run can be replayed. Pure.
 *
 * Never are more nodes away at once than the write quorum allows, so a client that tries again gets every answer. Bytes are flipped on
 * one node's drive alone: what a node missed while it was away may have no more than one shard to spare elsewhere.
 */
import { quorums } from '../../node/layout/quorum.ts';
import { nodesOf, type Shape } from './cluster-shape.ts';

/**
 * What befalls `nodes`, for `heldMs`:
 *
 *     kill       SIGKILL, then started again
 *     restart    SIGTERM, then started again
 *     stop       SIGSTOP, then SIGCONT
 *     isolate    no message between them and all others
 *     deafen     they hear nothing from the others; the others hear them
 *     mute       the others hear nothing from them; they hear the others
 *     cut        no message between the two nodes of a pair; both reach all others
 *     flip       bytes of objects change on the drive of the running node
 *     wipe       SIGKILL, the drive's folder is emptied, then started again; only while all drives are whole, and until they are again
 */
export type FaultKind = 'kill' | 'restart' | 'stop' | 'isolate' | 'deafen' | 'mute' | 'cut' | 'flip' | 'wipe';
export type Fault = { readonly kind: FaultKind; readonly nodes: readonly number[]; readonly heldMs: number };

const KINDS: readonly FaultKind[] = ['kill', 'stop', 'isolate', 'deafen', 'mute', 'cut', 'restart', 'flip', 'wipe'];

/** An endless schedule for a cluster. `random` gives numbers from 0 to 1. Every kind comes up once before any comes up twice. */
export function* schedule(shape: Shape, random: () => number): Generator<Fault, never> {
  const nodes = nodesOf(shape);
  const spare = nodes - quorums(shape).write;
  const below = (bound: number): number => Math.floor(random() * bound);
  const choose = (count: number): number[] =>
    shuffled(
      Array.from({ length: nodes }, (_, index) => index),
      below,
    ).slice(0, count);
  const flipped = below(nodes);
  for (;;) {
    for (const kind of shuffled(KINDS, below)) {
      const heldMs = 500 + below(3000);
      if (kind === 'flip') yield { kind, nodes: [flipped], heldMs: 0 };
      else if (kind === 'wipe') yield { kind, nodes: choose(1), heldMs: 0 };
      else if (kind === 'cut') yield { kind, nodes: choose(2), heldMs };
      else yield { kind, nodes: choose(1 + below(spare)), heldMs };
    }
  }
}

/** The items in an order drawn by `below`, which gives whole numbers below its argument. */
export function shuffled<Item>(items: readonly Item[], below: (bound: number) => number): Item[] {
  const left = [...items];
  for (let end = left.length - 1; end > 0; end -= 1) {
    const other = below(end + 1);
    [left[end], left[other]] = [left[other] as Item, left[end] as Item];
  }
  return left;
}

/** A fault in one line, for the log of a run. */
export function describeFault({ kind, nodes, heldMs }: Fault): string {
  return `${kind} ${nodes.map((node) => `n${node}`).join(' ')}${heldMs === 0 ? '' : ` for ${heldMs} ms`}`;
}
