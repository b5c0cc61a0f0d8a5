/** Waiting until a cluster has healed, for as long as it gets on with it. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { HealView } from '../../node/admin/schemas.ts';
import type { FaultCluster } from './fault-cluster.ts';

/** Without any progress for so long, healing stands still. */
const PATIENCE_MS = 120_000;

const isWhole = (view: HealView): boolean =>
  view.whole && view.hintsHeld === 0 && view.drives.every((drive) => drive.hintsWaiting + drive.damagedWaiting === 0);

/** Until no drive lacks anything and nobody remembers anything that a slot missed; returns what the nodes said last. */
export async function waitWhole(on: FaultCluster): Promise<readonly HealView[]> {
  let progress = '';
  let movedMs = performance.now();
  for (;;) {
    const views = await on.heal();
    if (views.every(isWhole)) return views;
    const now = JSON.stringify(views);
    if (now !== progress) [progress, movedMs] = [now, performance.now()];
    if (performance.now() - movedMs > PATIENCE_MS) throw new Error(`healing stands still: ${JSON.stringify(views, null, 1)}`);
    await sleep(500);
  }
}
