/**
 * Time for the engine's side of JavaScript: the one place here that reads the clock and sets timers.
 *
 * Everything else is told the time or given a timer, so that tests can turn it by hand.
 */

/** Milliseconds since 1970. */
export function wallMs(): number {
  return Date.now();
}

/** Milliseconds of a monotonic clock, with fractions. */
export function monotonicMs(): number {
  return performance.now();
}

/** Calls `task` every `periodMs` until disposed. It keeps the process alive unless `background` is true. */
export function every(periodMs: number, task: () => void, options: { readonly background?: boolean } = {}): Disposable {
  const timer = setInterval(task, periodMs);
  if (options.background === true) timer.unref();
  return { [Symbol.dispose]: () => clearInterval(timer) };
}

/** The promise's result, or 'timeout' once `durationMs` have passed; the promise goes on unheard then. */
export async function within<T>(durationMs: number, promise: Promise<T>): Promise<T | 'timeout'> {
  let timer: NodeJS.Timeout | undefined;
  const timeout = new Promise<'timeout'>((resolve) => {
    timer = setTimeout(() => resolve('timeout'), durationMs);
  });
  try {
    return await Promise.race([promise, timeout]);
  } finally {
    clearTimeout(timer);
  }
}
