/** A drive whose index is lost: its node starts, serves and is ready as ever; the drive joins when its index is made anew. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { test } from 'node:test';
import { CreateBucketCommand, GetObjectCommand, PutObjectCommand, type S3Client } from '@aws-sdk/client-s3';
import type { HealView, InfoView } from '../../node/admin/schemas.ts';
import type { NodeConfig } from '../../node/config/schema.ts';
import { clusterConfigs, NodeProcess, temporaryFolder, until } from '../node/engine/node-process.ts';

const program = join(import.meta.dirname, '../../operator/cli/main.ts');
const Bucket = 'lost-index';
const OBJECTS = 300;
const IN_FLIGHT = 16;
const LOST = 2;

/** Stores objects of some sizes, some at a time; remembers their bytes. */
async function putAll(client: S3Client, stored: Map<string, Buffer>, prefix: string): Promise<void> {
  const put = async (first: number): Promise<void> => {
    for (let number = first; number < OBJECTS; number += IN_FLIGHT) {
      const [Key, Body] = [`${prefix}/${number}`, randomBytes([0, 100, 9_000, 300_000][number % 4] ?? 0)];
      await client.send(new PutObjectCommand({ Bucket, Key, Body }));
      stored.set(Key, Body);
    }
  };
  await Promise.all(Array.from({ length: IN_FLIGHT }, (_, first) => put(first)));
}

async function readAll(client: S3Client, stored: ReadonlyMap<string, Buffer>): Promise<void> {
  for (const [Key, bytes] of stored) {
    const reply = await client.send(new GetObjectCommand({ Bucket, Key }));
    assert.ok(bytes.equals((await reply.Body?.transformToByteArray()) ?? Buffer.alloc(0)), `${Key}: other bytes came back`);
  }
}

test('one drive of four makes its index anew beside the service of its node, and serves afterwards', async () => {
  using folder = temporaryFolder();
  const [config] = await clusterConfigs(folder.path, { nodes: 1, drivesPerNode: 4 });
  const lost = config?.drives[LOST]?.path as string;
  const stored = new Map<string, Buffer>();
  {
    await using node = new NodeProcess(folder.path, config as NodeConfig);
    await node.ready();
    const client = node.client();
    await client.send(new CreateBucketCommand({ Bucket }));
    await putAll(client, stored, 'before');
    client.destroy();
    await node.end('SIGTERM');
  }
  const ordered = spawnSync(process.execPath, [program, 'drive', 'rebuild-index', lost, '--at-start'], { encoding: 'utf8' });
  assert.equal(ordered.status, 0, ordered.stderr);

  await using node = new NodeProcess(folder.path, config as NodeConfig);
  await node.ready();
  assert.match(node.log, new RegExp(`drive ${LOST} \\(.*\\): its index is being rebuilt from the log, \\d+ of \\d+ segments read`));
  const client = node.client();
  await putAll(client, stored, 'after');
  await readAll(client, stored);
  const says = new RegExp(`drive ${LOST} \\(.*\\): its index was rebuilt in [0-9.]+ s; it serves`);
  await until(async () => says.test(node.log), `${says} in the log:\n${node.log}`);
  await until(async () => ((await node.admin('/v1/heal')) as HealView).whole, 'the drive to have what it missed');
  const { drives } = (await node.admin('/v1/info')) as InfoView;
  assert.deepEqual(
    drives.map(({ state }) => state),
    ['Healthy', 'Healthy', 'Suspect', 'Healthy'],
  );
  assert.match(drives[LOST]?.reason ?? '', /the index was rebuilt from the log/);
  await readAll(client, stored);
  client.destroy();
  await node.end('SIGTERM');
  for (const { path } of drives) {
    const verified = spawnSync(process.execPath, [program, 'drive', 'verify', path], { encoding: 'utf8' });
    assert.equal(verified.status, 0, `${path}: ${verified.stdout}${verified.stderr}`);
  }
});
