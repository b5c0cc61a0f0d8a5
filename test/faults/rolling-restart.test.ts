/**
 * All nodes are restarted, one after the other, under load. A client of an SDK with its usual retries sees no failed request; one that
 * follows readiness sees no refused connection; one that holds several endpoints gets through as well.
 */
import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { test } from 'node:test';
import { CreateBucketCommand, GetObjectCommand, PutObjectCommand } from '@aws-sdk/client-s3';
import { bench, totalsOf } from './bench-load.ts';
import { startFaultCluster } from './fault-cluster.ts';
import { followReadiness, type ReadinessFollower } from './readiness-follower.ts';

const Bucket = 'rolling';
const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');

/** Writes and reads back until told to stop; each request goes where readiness says. Returns requests done and what went wrong. */
async function work(
  follower: ReadinessFollower,
  options: { readonly worker: number; readonly stop: AbortSignal },
): Promise<[number, string[]]> {
  const failures: string[] = [];
  let requests = 0;
  for (let turn = 0; !options.stop.aborted; turn += 1) {
    const Key = `worker-${options.worker}/${turn % 10}`;
    const Body = randomBytes(turn % 4 === 3 ? 400_000 : 2000);
    try {
      await (await follower.next()).send(new PutObjectCommand({ Bucket, Key, Body }));
      const reply = await (await follower.next()).send(new GetObjectCommand({ Bucket, Key }));
      const found = sha256((await reply.Body?.transformToByteArray()) ?? new Uint8Array());
      if (found !== sha256(Body)) failures.push(`${Key}, turn ${turn}: other bytes came back`);
      requests += 2;
    } catch (error) {
      failures.push(`${Key}, turn ${turn}: ${String(error)}`);
    }
  }
  return [requests, failures];
}

test('a rolling restart of all nodes under load fails no request and refuses no connection to those who follow readiness', async (context) => {
  await using on = await startFaultCluster({ data: 2, parity: 2 });
  using follower = await followReadiness(on);
  await (await follower.next()).send(new CreateBucketCommand({ Bucket }));
  const stop = new AbortController();
  const workers = [0, 1].map((worker) => work(follower, { worker, stop: stop.signal }));
  const loads: Promise<unknown>[] = [...workers];
  try {
    for (const node of on.names.keys()) {
      // A load of clients with several endpoints each, beside every restart; it ends when it has done its count.
      const load = bench(on, {
        words: ['mixed', '--size', '3000', '--concurrency', '4', '--objects', '40', '--count', '1500', '--verify', '--retries', '20'],
      });
      loads.push(load);
      await on.end(node, 'SIGTERM');
      await on.start(node);
      await on.waitHealthy();
      const report = await load;
      assert.equal(report.violations + totalsOf(report).errors, 0, report.failures.join('\n'));
    }
  } finally {
    stop.abort();
    await Promise.allSettled(loads);
  }
  for (const [requests, failures] of await Promise.all(workers)) {
    assert.deepEqual(failures, []);
    assert.ok(requests > 0);
    context.diagnostic(`${requests} requests of a client that follows readiness`);
  }
  context.diagnostic(`attempts made again: ${follower.retried.length}`);
  assert.deepEqual(follower.refused, []);
});
