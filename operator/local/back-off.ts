/**
 * How long a pod that ended waits for its restart: restartPolicy Always with a growing back-off, as the kubelet does it,
 * but on the scale of a person who watches. Pure.
 */

/** The first restart: long enough for the port to be free and for a test to see the gap. */
const FIRST_DELAY_MS = 1_000;
/** Whoever waits longer suspects that nothing happens at all. */
const MAXIMUM_DELAY_MS = 30_000;
/** A process that ran this long had no trouble starting; the count begins anew. */
const STEADY_MS = 30_000;

/** Failures in a row after another end, given how long the process ran. */
export function countFailure(failures: number, ranMs: number): number {
  return ranMs >= STEADY_MS ? 1 : failures + 1;
}

/** Delay before the restart after the n-th failure in a row (n from 1): 1, 2, 4, ... 30 s. */
export function restartDelayMs(failures: number): number {
  return Math.min(MAXIMUM_DELAY_MS, FIRST_DELAY_MS * 2 ** Math.max(0, failures - 1));
}
