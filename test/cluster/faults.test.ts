/** What a hostile tester does to a cluster: stopped processes, half a cluster, damaged and missing drives, a dead supervisor. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { closeSync, mkdirSync, openSync, readSync, renameSync, rmSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import {
  CreateBucketCommand,
  DeleteObjectCommand,
  GetObjectCommand,
  ListObjectsV2Command,
  PutObjectCommand,
  S3Client,
  S3ServiceException,
} from '@aws-sdk/client-s3';
import type { StatusReport } from '../../operator/local/status.ts';
import { startCluster, type TestCluster } from './cluster.ts';
import { copyDrive } from './drive-damage.ts';

const Bucket = 'faults';
/** Inline and staged bodies take different ways. */
const SIZES = [5, 4096, 700_000];
const stored = new Map<string, Buffer>();
const clients = new Map<string, S3Client>();
let cluster: TestCluster;
let names: readonly string[];

/** A client of one node that never tries again by itself. */
function clientOf(status: StatusReport, name: string): S3Client {
  const known = clients.get(name);
  if (known !== undefined) return known;
  const { AWS_REGION, AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY } = cluster.env;
  const client = new S3Client({
    endpoint: status.nodes.find((node) => node.name === name)?.endpoints.s3 as string,
    region: AWS_REGION as string,
    forcePathStyle: true,
    credentials: { accessKeyId: AWS_ACCESS_KEY_ID as string, secretAccessKey: AWS_SECRET_ACCESS_KEY as string },
    maxAttempts: 1,
  });
  clients.set(name, client);
  return client;
}

function via(index: number): S3Client {
  return clients.get(names[index] as string) as S3Client;
}

async function put(client: S3Client, options: { readonly key: string; readonly size: number }): Promise<void> {
  const Body = randomBytes(options.size);
  await client.send(new PutObjectCommand({ Bucket, Key: options.key, Body }));
  stored.set(options.key, Body);
}

async function keysOf(client: S3Client): Promise<readonly string[]> {
  const page = await client.send(new ListObjectsV2Command({ Bucket }));
  return (page.Contents ?? []).map((row) => row.Key as string);
}

/** Everything acknowledged comes back through this client, and the list shows exactly that. */
async function assertAllThere(client: S3Client): Promise<void> {
  for (const [Key, bytes] of stored) {
    const reply = await client.send(new GetObjectCommand({ Bucket, Key }));
    assert.ok(bytes.equals((await reply.Body?.transformToByteArray()) ?? Buffer.alloc(0)), `${Key} came back with other bytes`);
  }
  assert.deepEqual(await keysOf(client), [...stored.keys()].toSorted());
}

/** The HTTP status that a call ends with. */
async function statusOf(call: Promise<unknown>): Promise<number> {
  try {
    await call;
    return 200;
  } catch (error) {
    if (error instanceof S3ServiceException) return error.$metadata.httpStatusCode ?? 0;
    throw error;
  }
}

async function assertWritesRefused(client: S3Client, prefix: string): Promise<void> {
  for (const size of SIZES) {
    const Key = `${prefix}/${size}`;
    assert.equal(await statusOf(client.send(new PutObjectCommand({ Bucket, Key, Body: randomBytes(size) }))), 503, Key);
  }
  const [Key] = stored.keys();
  assert.equal(await statusOf(client.send(new DeleteObjectCommand({ Bucket, Key }))), 503, 'delete');
}

async function pidOf(name: string): Promise<number> {
  return (await cluster.status()).nodes.find((node) => node.name === name)?.pid as number;
}

before(async () => {
  cluster = await startCluster();
  const status = await cluster.waitHealthy();
  names = status.nodes.map((node) => node.name);
  for (const name of names) clientOf(status, name);
  await via(0).send(new CreateBucketCommand({ Bucket }));
  for (const size of SIZES) await put(via(0), { key: `first/${size}`, size });
});
after(async () => {
  for (const client of clients.values()) client.destroy();
  await cluster?.[Symbol.asyncDispose]();
});

function isReady(status: StatusReport, name: string): boolean {
  return status.nodes.some((node) => node.name === name && node.ready);
}

test('a write that cannot reach its quorum is refused and leaves nothing behind', async () => {
  // This coordinator never spoke to the two before: only its links can tell it.
  await cluster.stopNode(names[1] as string);
  await cluster.stopNode(names[2] as string);
  await assertWritesRefused(via(3), 'refused');
  await assertAllThere(via(3));
  await cluster.startNode(names[1] as string);
  await cluster.startNode(names[2] as string);
  await cluster.waitHealthy();
  await assertAllThere(via(1));
});

test('a node that is stopped but not dead holds nobody up, and is Healthy again when it goes on', async () => {
  const pid = await pidOf(names[2] as string);
  process.kill(pid, 'SIGSTOP');
  try {
    for (const size of SIZES) await put(via(0), { key: `stopped/${size}`, size });
    await assertAllThere(via(3));
    await cluster.waitFor('a Degraded set', (status) => status.sets.some((set) => set.state === 'Degraded'));
    for (const size of SIZES) await put(via(1), { key: `stopped-longer/${size}`, size });
    await assertAllThere(via(0));
  } finally {
    process.kill(pid, 'SIGCONT');
  }
  await cluster.waitHealthy();
  await assertAllThere(via(2));
});

test('half a cluster starts, reads and refuses writes; a third node lets it write again', async () => {
  // The two that hold everything: what was written while the third was stopped is not on that one, and there is no healing yet.
  for (const name of names) await cluster.stopNode(name);
  await cluster.startNode(names[3] as string);
  await cluster.startNode(names[0] as string);
  const status = await cluster.waitFor('two ready nodes', (now) => isReady(now, names[0] as string) && isReady(now, names[3] as string));
  assert.deepEqual(
    status.sets.map((set) => [set.state, set.voting]),
    [['ReadOnly', 2]],
  );
  await assertAllThere(via(3));
  await assertWritesRefused(via(3), 'half');
  await cluster.startNode(names[2] as string);
  await cluster.waitFor('a third ready node', (now) => isReady(now, names[2] as string));
  for (const size of SIZES) await put(via(2), { key: `three/${size}`, size });
  await cluster.startNode(names[1] as string);
  await cluster.waitHealthy();
  await assertAllThere(via(1));
});

test('a drive that is damaged, foreign or gone is refused by name, and the other nodes go on', async () => {
  const name = names[1] as string;
  const drive = join(cluster.dataFolder, name, 'drives/d0');
  const saved = join(cluster.dataFolder, 'saved-drive');
  const damages: readonly (readonly [string, RegExp, () => void])[] = [
    ['both superblocks damaged', /d0.* superblock/, () => ['superblock.0', 'superblock.1'].forEach((file) => flip(join(drive, file)))],
    ['no folder', /d0 does not exist/, () => undefined],
    ['the drive of another node', /d0 is set 0 slot 3, but is configured as set 0 slot 1/, () => copyOf(names[3] as string)],
    ['no roots', /d0(\/roots)? cannot be used/, () => rmSync(join(drive, 'roots'))],
  ];
  const copyOf = (other: string): void => copyDrive(join(cluster.dataFolder, other, 'drives/d0'), drive);
  for (const [what, said, damage] of damages) {
    await cluster.stopNode(name);
    const logLength = cluster.log(name).length;
    renameSync(drive, saved);
    if (/superblocks|roots/.test(what)) copyDrive(saved, drive);
    try {
      damage();
      await cluster.startNode(name);
      await cluster.waitFor(`the refusal of ${what}`, () => said.test(cluster.log(name).slice(logLength)));
      await put(via(0), { key: `damage/${what.replaceAll(' ', '-')}`, size: 4096 });
      await assertAllThere(via(2));
    } finally {
      await cluster.stopNode(name);
      rmSync(drive, { recursive: true, force: true });
      renameSync(saved, drive);
    }
  }
  await cluster.startNode(name);
  await cluster.waitHealthy();
  await assertAllThere(via(1));
});

test('a drive whose files are removed under its node fails by name; the set goes on, and the next start fills its place', async () => {
  const name = names[1] as string;
  const drive = join(cluster.dataFolder, name, 'drives/d0');
  rmSync(drive, { recursive: true });
  mkdirSync(drive);
  await cluster.waitFor('the loss to be noticed', (status) =>
    status.nodes.some(
      (node) => node.name === name && node.drives.some(({ state, reason }) => state === 'Failed' && /is gone/.test(reason ?? '')),
    ),
  );
  for (const size of SIZES) await put(via(0), { key: `removed/${size}`, size });
  await assertAllThere(via(1));
  await cluster.stopNode(name);
  await cluster.startNode(name);
  await cluster.waitFor('its place to be filled', (status) => status.sets.every((set) => set.state === 'Healthy' && set.healing === ''));
  await assertAllThere(via(1));
});

test('a drive replaced by an empty one is filled from the others, and two of them may then be lost', async () => {
  const name = names[1] as string;
  const drive = join(cluster.dataFolder, name, 'drives/d0');
  await cluster.stopNode(name);
  rmSync(drive, { recursive: true });
  mkdirSync(drive);
  await cluster.startNode(name);
  await cluster.waitFor('the new drive to be filled', (status) =>
    status.sets.every((set) => set.state === 'Healthy' && set.healing === ''),
  );
  for (const other of [0, 2]) await cluster.stopNode(names[other] as string);
  // Half of the shards are left, those of the new drive among them.
  await cluster.waitFor('the others to be missed', (status) => status.sets.every((set) => set.state !== 'Healthy'));
  for (const [Key, bytes] of stored) {
    const reply = await via(1).send(new GetObjectCommand({ Bucket, Key }));
    assert.ok(bytes.equals((await reply.Body?.transformToByteArray()) ?? Buffer.alloc(0)), `${Key} came back with other bytes`);
  }
  for (const other of [0, 2]) await cluster.startNode(names[other] as string);
  await cluster.waitHealthy();
  await assertAllThere(via(1));
});

test('a killed supervisor is replaced by the next start, and nothing is lost', async () => {
  const status = await cluster.status();
  process.kill(status.supervisor?.pid as number, 'SIGKILL');
  await assertAllThere(via(0));
  await cluster.up();
  const again = await cluster.waitHealthy();
  assert.notEqual(again.supervisor?.pid, status.supervisor?.pid);
  await assertAllThere(via(3));
});

/** Changes one byte of a file. */
function flip(path: string): void {
  const file = openSync(path, 'r+');
  const byte = Buffer.alloc(1);
  readSync(file, byte, 0, 1, 40);
  writeSync(file, Buffer.from([(byte[0] as number) ^ 0x55]), 0, 1, 40);
  closeSync(file);
}
