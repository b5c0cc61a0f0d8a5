/** The queue of control requests is bounded: what does not fit is refused at once, what fits is answered. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ListBucketsCommand, S3Client } from '@aws-sdk/client-s3';
import { startEngine } from '../../../node/engine/engine.ts';
import { engineConfig } from '../../../node/engine/engine-config.ts';
import { nodeTables } from '../../../node/main/node-tables.ts';
import { clusterConfigs, temporaryFolder, until } from './node-process.ts';

/** native/addon/src/control.rs: waiting requests of one core. */
const WAITING_PER_CORE = 256;
const EXCESS = 20;

test('a core lets 256 control requests wait and answers SlowDown to more', async () => {
  using folder = temporaryFolder();
  const [config] = await clusterConfigs(folder.path, { nodes: 1, drivesPerNode: 4 });
  assert.ok(config !== undefined);
  const release = Promise.withResolvers<void>();
  let arrived = 0;
  await using engine = await startEngine({
    config: engineConfig(config),
    tables: nodeTables(config, 1),
    handler: () => async () => {
      arrived += 1;
      await release.promise;
      return { status: 200, headers: { 'content-type': 'application/xml' }, body: '<ListAllMyBucketsResult/>' };
    },
    onNotice: (notice) => assert.fail(notice.message),
    onFault: (_request, error) => assert.fail(String(error)),
  });
  await engine.join();
  engine.open();
  const client = new S3Client({
    endpoint: `http://${config.listen.s3}`,
    region: 'us-east-1',
    maxAttempts: 1,
    requestHandler: { httpAgent: { maxSockets: WAITING_PER_CORE + EXCESS } },
    credentials: { accessKeyId: config.credentials[0]?.access_key ?? '', secretAccessKey: config.credentials[0]?.secret_key ?? '' },
  });
  const send = async (): Promise<string> => {
    try {
      await client.send(new ListBucketsCommand({}));
      return 'answered';
    } catch (error) {
      return error instanceof Error ? error.name : String(error);
    }
  };
  const waiting = Array.from({ length: WAITING_PER_CORE }, send);
  await until(async () => arrived === WAITING_PER_CORE, 'all requests that fit to arrive');
  assert.equal((await engine.status()).controlWaiting, WAITING_PER_CORE);
  const refused = await Promise.all(Array.from({ length: EXCESS }, send));
  assert.deepEqual(new Set(refused), new Set(['SlowDown']));
  release.resolve();
  assert.deepEqual(new Set(await Promise.all(waiting)), new Set(['answered']));
  const { controlWaiting, controlRefused } = await engine.status();
  assert.deepEqual([controlWaiting, controlRefused, arrived], [0, EXCESS, WAITING_PER_CORE]);
  client.destroy();
});
