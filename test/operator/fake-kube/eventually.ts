/** Waits until a condition holds; generous, since machines are slow. */
import { setTimeout as sleep } from 'node:timers/promises';

export async function eventually(holds: () => boolean, what: () => string = () => holds.toString()): Promise<void> {
  const endMs = performance.now() + 30_000;
  while (!holds()) {
    if (performance.now() > endMs) throw new Error(`waited in vain for ${what()}`);
    await sleep(5);
  }
}
