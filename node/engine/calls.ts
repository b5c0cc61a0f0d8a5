/**
 * Calls under way: each has a number, and its promise waits here until the data plane says how it ended.
 *
 * One promise map instead of one native promise each: ends come in batches, and a batch costs one crossing.
 */
import type { RawCompletion } from './addon.ts';
import { EngineError, type EngineErrorCode } from './errors.ts';

type Waiting = { readonly resolve: (end: RawCompletion) => void; readonly reject: (error: unknown) => void };

/** Numbers return after 2^32 calls; by then the first is long answered. */
const NUMBERS = 2 ** 32;

export class Calls {
  #next = 0;
  readonly #waiting = new Map<number, Waiting>();

  /** Starts a call with a fresh number; resolves with its end, rejects with EngineError when it failed. */
  run(start: (id: number) => void): Promise<RawCompletion> {
    const id = this.#next;
    this.#next = (this.#next + 1) % NUMBERS;
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, { resolve, reject });
      try {
        start(id);
      } catch (error) {
        this.#waiting.delete(id);
        reject(error);
      }
    });
  }

  /** Ends calls; ends that nobody waits for are dropped. */
  settle(completions: readonly RawCompletion[]): void {
    for (const completion of completions) {
      const waiting = this.#waiting.get(completion.id);
      if (waiting === undefined) continue;
      this.#waiting.delete(completion.id);
      if (typeof completion.code === 'string') {
        waiting.reject(new EngineError(completion.code as EngineErrorCode, completion.message ?? ''));
      } else {
        waiting.resolve(completion);
      }
    }
  }

  /** Ends everything that still waits. */
  abandon(reason: string): void {
    for (const waiting of this.#waiting.values()) waiting.reject(new EngineError('CoreStopped', reason));
    this.#waiting.clear();
  }
}
