/** Random choices of a test that can be replayed: OPENLAKE_TEST_SEED or OPENLAKE_SEED names the seed of a run. */
import { randomInt } from 'node:crypto';

export const seed: number = Number(process.env['OPENLAKE_SEED'] ?? process.env['OPENLAKE_TEST_SEED'] ?? randomInt(2 ** 31));

/** Numbers from 0 to 1 from a seed (mulberry32). */
export function random(from: number): () => number {
  let state = from;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
