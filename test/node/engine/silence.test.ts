/**
 * While the control plane does not turn, hot requests go on, control requests are refused, and nobody hangs.
 *
 * The engine runs in this process, clients in workers; the main thread then sleeps without turning its event loop.
 */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { test } from 'node:test';
import { Worker } from 'node:worker_threads';
import { CreateBucketCommand, ListBucketsCommand, PutObjectCommand, S3Client } from '@aws-sdk/client-s3';
import { startEngine } from '../../../node/engine/engine.ts';
import { engineConfig } from '../../../node/engine/engine-config.ts';
import { nodeTables } from '../../../node/main/node-tables.ts';
import { s3Router } from '../../../node/s3/router.ts';
import { clusterConfigs, temporaryFolder } from './node-process.ts';
import type { SilentOrder, SilentResult } from './silent-client.ts';

/** The silence ends with the last reply; whoever hangs is not waited for longer than this. */
const PATIENCE_MS = 60_000;

test('a silent control plane stops control requests only', async () => {
  using folder = temporaryFolder();
  const [config] = await clusterConfigs(folder.path, { nodes: 1, drivesPerNode: 4 });
  assert.ok(config !== undefined);
  await using engine = await startEngine({
    config: engineConfig(config),
    tables: nodeTables(config, 1),
    handler: (primitives) => s3Router({ primitives, region: 'us-east-1', owner: { id: 'o', displayName: 'o' } }, () => undefined),
    onNotice: (notice) => assert.fail(notice.message),
    onFault: (_request, error) => assert.fail(String(error)),
  });
  await engine.join();
  engine.open();
  const endpoint = `http://${config.listen.s3}`;
  const credentials = { accessKeyId: config.credentials[0]?.access_key ?? '', secretAccessKey: config.credentials[0]?.secret_key ?? '' };
  const client = new S3Client({ endpoint, region: 'us-east-1', forcePathStyle: true, credentials });
  await client.send(new CreateBucketCommand({ Bucket: 'bucket' }));
  await client.send(new PutObjectCommand({ Bucket: 'bucket', Key: 'key', Body: 'x'.repeat(4096) }));

  const shared = new Int32Array(new SharedArrayBuffer(8));
  const order = (operation: 'list' | 'get', delayMs: number): Worker => {
    const workerData: SilentOrder = { endpoint, credentials, operation, delayMs, shared: shared.buffer };
    return new Worker(new URL('./silent-client.ts', import.meta.url), { workerData });
  };
  const workers = [order('list', 0), order('list', 4000), order('get', 4000)];
  await Promise.all(workers.map((worker) => once(worker, 'message')));
  Atomics.store(shared, 0, 1);
  Atomics.notify(shared, 0);
  for (let count = 0; count < workers.length; count = Atomics.load(shared, 1))
    assert.notEqual(Atomics.wait(shared, 1, count, PATIENCE_MS), 'timed-out', `only ${count} requests ended`);
  const [waiting, late, hot] = (await Promise.all(workers.map(async (worker) => (await once(worker, 'message'))[0]))) as SilentResult[];
  assert.deepEqual([waiting?.status, waiting?.retryAfter], [503, '1'], 'a request that waits is refused at its deadline');
  assert.deepEqual([late?.status, late?.retryAfter], [503, '1'], 'a request in the silence is refused');
  assert.ok((late?.elapsedMs ?? 0) < (waiting?.elapsedMs ?? 0), 'the later one did not wait');
  assert.equal(hot?.status, 200, 'a hot request is served');

  await client.send(new ListBucketsCommand({}));
  const status = await engine.status();
  // The first request after the silence may still be refused, and is sent again by the client.
  assert.ok(status.controlWaiting === 0 && status.controlRefused >= 2, `${status.controlWaiting} ${status.controlRefused}`);
  client.destroy();
  await engine.drain();
  await engine.stop();
  await assert.rejects(engine.status(), /has stopped/);
  await assert.rejects(engine.primitives.listBuckets());
  await engine.stop();
});
