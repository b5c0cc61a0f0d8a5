/**
 * What a node that is stopped, not dead, costs readers: its connections stay open and say nothing. GETs are measured with all nodes well,
 * and again from the moment on in which the node with the first data shard of every object stops.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import type { OperationFigures } from '../cluster/steady-load.ts';
import { bench, figuresOf, totalsOf } from './bench-load.ts';
import { startFaultCluster } from './fault-cluster.ts';

/** What a coordinator waits for a peer at most (limits.peer_timeout_ms). */
const PEER_TIMEOUT_US = 5_000_000;
const duration = `${process.env['OPENLAKE_STOP_SECONDS'] ?? 6}s`;

const milliseconds = ({ count, p50Us, p99Us, maxUs }: OperationFigures): string =>
  `${count} GETs, p50 ${(p50Us / 1000).toFixed(1)} ms, p99 ${(p99Us / 1000).toFixed(1)} ms, slowest ${(maxUs / 1000).toFixed(0)} ms`;

test('a stopped node costs a GET a hedge, not a timeout', async (context) => {
  await using on = await startFaultCluster({ data: 2, parity: 2 });
  // Slot 0 of the only set, so one of the two data shards of everything.
  const [stopped, ...others] = on.names.keys();
  for (const size of ['4096', '1MiB']) {
    const same = ['--size', size, '--concurrency', '4', '--objects', '48', '--prefix', `${size}/`, '--seed', '1', '--keep'];
    await bench(on, { words: ['prepare', ...same] });
    const measure = (): ReturnType<typeof bench> =>
      bench(on, { words: ['get', '--prepared', '--verify', ...same, '--duration', duration], nodes: others });
    await measure();
    const healthy = await measure();
    const load = measure();
    await sleep(1000);
    on.signal(stopped as number, 'SIGSTOP');
    const without = await load.finally(() => on.signal(stopped as number, 'SIGCONT'));
    await on.waitHealthy();
    for (const report of [healthy, without]) assert.equal(report.violations + totalsOf(report).errors, 0, report.failures.join('\n'));
    const [well, degraded] = [figuresOf(healthy, 'get'), figuresOf(without, 'get')];
    context.diagnostic(`${size}, all nodes: ${milliseconds(well)}`);
    context.diagnostic(`${size}, one stopped: ${milliseconds(degraded)}`);
    assert.ok(degraded.p99Us - well.p99Us < PEER_TIMEOUT_US / 4, 'the 99th percentile is near a timeout');
    assert.ok(degraded.maxUs < PEER_TIMEOUT_US, 'a GET waited for a timeout');
  }
});
