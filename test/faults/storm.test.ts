/**
 * Storms: one fault after the other on real processes, in an order drawn from a seed, while a load writes, reads, lists and deletes,
 * and checks every byte. Nothing wrong is ever read, nothing acknowledged is lost, and every request succeeds for a client that tries
 * again.
 *
 * OPENLAKE_SEED=n replays an order, OPENLAKE_STORM_SECONDS=n makes each storm last as long (of the load; the default is a slice of what
 * is run by hand), OPENLAKE_STORM_SHAPES=4+2,8+4 chooses the clusters.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { random, seed } from '../random.ts';
import { bench, figuresOf, totalsOf } from './bench-load.ts';
import { nameOf, nodesOf, SHAPES } from './cluster-shape.ts';
import { type FaultCluster, startFaultCluster } from './fault-cluster.ts';
import { describeFault, schedule } from './schedule.ts';
import { waitWhole } from './whole.ts';

const seconds = Number(process.env['OPENLAKE_STORM_SECONDS'] ?? 12);
const wanted = process.env['OPENLAKE_STORM_SHAPES']?.split(',');
const shapes = SHAPES.filter((shape) => wanted?.includes(nameOf(shape)) ?? true);

/** Small objects travel inside records, large ones are staged. */
const LOADS = [
  { prefix: 'small/', size: '3000', concurrency: '6', objects: '90' },
  { prefix: 'large/', size: '600KiB', concurrency: '3', objects: '24' },
] as const;

/** Faults until `load` has ended, each undone before the next; returns what was done. */
async function storm(
  on: FaultCluster,
  options: { readonly load: Promise<unknown>; readonly say: (line: string) => void },
): Promise<string[]> {
  let ended = false;
  const end = options.load.finally(() => (ended = true)).catch(() => undefined);
  const done: string[] = [];
  for (const fault of schedule(on.shape, random(seed))) {
    if (ended) break;
    const line = describeFault(fault);
    options.say(line);
    done.push(line);
    if (fault.kind === 'wipe') await waitWhole(on);
    const undo = await on.inflict(fault);
    await Promise.race([sleep(fault.heldMs), end]);
    await undo();
    await on.waitHealthy();
    if (fault.kind === 'wipe') await waitWhole(on);
  }
  return done;
}

for (const shape of shapes) {
  test(`${nameOf(shape)} on ${nodesOf(shape)} nodes through a storm of faults: no wrong byte, nothing lost, no failed request`, async (context) => {
    context.diagnostic(`OPENLAKE_SEED=${seed} OPENLAKE_STORM_SECONDS=${seconds} OPENLAKE_STORM_SHAPES=${nameOf(shape)}`);
    await using on = await startFaultCluster(shape, { chance: random(seed + 1) });
    const loads = LOADS.map(({ prefix, size, concurrency, objects }) => {
      const amount = ['--size', size, '--concurrency', concurrency, '--objects', objects, '--prefix', prefix];
      const checks = ['--verify', '--retries', '60', '--seed', String(seed), '--keep', '--duration', `${seconds}s`];
      return bench(on, { words: ['mixed', ...amount, ...checks] });
    });
    const startedMs = performance.now();
    const say = (line: string): void => context.diagnostic(`${((performance.now() - startedMs) / 1000).toFixed(1)} s: ${line}`);
    const done = await storm(on, { load: Promise.allSettled(loads), say });
    for (const report of await Promise.all(loads)) {
      const said = `seed ${seed}, faults: ${done.join('; ')}\n${report.failures.join('\n')}`;
      const { count, errors, retries } = totalsOf(report);
      context.diagnostic(`${count} requests, ${errors} errors, ${retries} retries, ${report.violations} wrong answers`);
      assert.equal(report.violations, 0, said);
      assert.equal(errors, 0, said);
      assert.ok(figuresOf(report, 'check').count > 0, said);
    }
    assert.ok(done.length > 0);
  });
}
