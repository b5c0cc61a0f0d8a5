/**
 * How long to wait after the n-th failure in a row: doubled each time up to a bound, with jitter so that many who failed
 * together do not come back together.
 */

export type BackOff = {
  /** The wait before the next try, in milliseconds; counts one failure. */
  readonly next: () => number;
  readonly reset: () => void;
};

/** From `firstMs` doubling to `maximumMs`; each wait lies between half of it and all of it. */
export function createBackOff(bounds: { readonly firstMs: number; readonly maximumMs: number; readonly random?: () => number }): BackOff {
  const random = bounds.random ?? Math.random;
  let failures = 0;
  return {
    next: () => {
      const full = Math.min(bounds.maximumMs, bounds.firstMs * 2 ** Math.min(failures, 30));
      failures += 1;
      return full / 2 + (full / 2) * random();
    },
    reset: () => {
      failures = 0;
    },
  };
}

/** Waits; ends early when `signal` is aborted. */
export function sleep(ms: number, signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.resolve();
  return new Promise((resolve) => {
    const done = (): void => {
      clearTimeout(timer);
      signal.removeEventListener('abort', done);
      resolve();
    };
    const timer = setTimeout(done, ms);
    signal.addEventListener('abort', done);
  });
}
