/**
 * The work queue: keys to work on, each at most once at a time.
 *
 * A key is waiting (in the set, or added for later), in flight, or in flight and dirty: added again while it is worked on,
 * so it runs once more afterwards. Failures wait longer each time, per key; success forgets them.
 */
import { type BackOff, createBackOff } from './back-off.ts';

/** First and longest wait of a key that keeps failing. */
const FIRST_RETRY_MS = 5;
const LONGEST_RETRY_MS = 300_000;

export type WorkResult =
  | { readonly kind: 'done'; readonly requeueAfterMs?: number | undefined }
  | { readonly kind: 'failed'; readonly retryAfterMs?: number | undefined };

export type WorkQueue = {
  /** Works on the key soon; earlier than any later time it was added for. */
  readonly add: (key: string) => void;
  readonly addAfter: (key: string, delayMs: number) => void;
  readonly depth: () => number;
  /** Takes no new work; resolves when work in flight is done. */
  readonly stop: () => Promise<void>;
};

export type QueueOptions = {
  /** Must not throw; what it throws counts as failed. */
  readonly work: (key: string) => Promise<WorkResult>;
  /** How many keys are worked on side by side. */
  readonly workers: number;
  readonly firstRetryMs?: number;
  readonly longestRetryMs?: number;
};

/** A running queue. */
export function createQueue(options: QueueOptions): WorkQueue {
  const waiting = new Set<string>();
  const inFlight = new Map<string, { dirty: boolean }>();
  const later = new Map<string, { readonly atMs: number; readonly timer: NodeJS.Timeout }>();
  const failures = new Map<string, BackOff>();
  const idle: (() => void)[] = [];
  let stopped = false;

  const add = (key: string): void => {
    if (stopped) return;
    const timer = later.get(key);
    if (timer !== undefined) clearTimeout(timer.timer);
    later.delete(key);
    const running = inFlight.get(key);
    if (running !== undefined) running.dirty = true;
    else waiting.add(key);
    startWork();
  };

  const addAfter = (key: string, delayMs: number): void => {
    if (stopped) return;
    if (delayMs <= 0) return add(key);
    const atMs = performance.now() + delayMs;
    const known = later.get(key);
    if (waiting.has(key) || (known !== undefined && known.atMs <= atMs)) return;
    if (known !== undefined) clearTimeout(known.timer);
    later.set(key, { atMs, timer: setTimeout(() => add(key), delayMs) });
  };

  const run = async (key: string): Promise<void> => {
    let result: WorkResult;
    try {
      result = await options.work(key);
    } catch {
      result = { kind: 'failed' };
    }
    const dirty = inFlight.get(key)?.dirty === true;
    inFlight.delete(key);
    if (result.kind === 'failed') {
      const backOff =
        failures.get(key) ??
        createBackOff({ firstMs: options.firstRetryMs ?? FIRST_RETRY_MS, maximumMs: options.longestRetryMs ?? LONGEST_RETRY_MS });
      failures.set(key, backOff);
      // A key that failed waits even when it is dirty: news must not turn a failure into a hot loop.
      addAfter(key, Math.max(backOff.next(), result.retryAfterMs ?? 0));
    } else {
      failures.delete(key);
      if (dirty) add(key);
      else if (result.requeueAfterMs !== undefined) addAfter(key, result.requeueAfterMs);
    }
    startWork();
    if (inFlight.size === 0) for (const resolve of idle.splice(0)) resolve();
  };

  const startWork = (): void => {
    for (const key of waiting) {
      if (stopped || inFlight.size >= options.workers) return;
      waiting.delete(key);
      inFlight.set(key, { dirty: false });
      void run(key);
    }
  };

  return {
    add,
    addAfter,
    depth: () => waiting.size,
    stop: () => {
      stopped = true;
      waiting.clear();
      for (const { timer } of later.values()) clearTimeout(timer);
      later.clear();
      return inFlight.size === 0 ? Promise.resolve() : new Promise((resolve) => idle.push(resolve));
    },
  };
}
