/** From one resource to stored objects, as a user sees it: real clients, killed nodes, restarts, damaged bytes. */
import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { startCluster, type TestCluster } from './cluster.ts';
import { openDrives } from './drive-damage.ts';

const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');

let cluster: TestCluster;
let folder: string;
let names: readonly string[] = [];

before(async () => {
  folder = mkdtempSync(join(tmpdir(), 'openlake-client-'));
  cluster = await startCluster();
  names = (await cluster.waitHealthy()).nodes.map((node) => node.name);
});
after(async () => {
  await cluster?.[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true, force: true });
});

/** Every node's own endpoint, so that a test can choose which one it asks. */
async function endpointOf(name: string): Promise<Record<string, string>> {
  const node = (await cluster.status()).nodes.find((candidate) => candidate.name === name);
  assert.ok(node, `there is no node ${name}`);
  return { AWS_ENDPOINT_URL: node.endpoints.s3 };
}

/** Objects of all kinds but the one of 200 MiB, which takes longer than all others. */
const ALL_BUT_LARGE = ['empty', 'one', 'small', 'block', 'multipart'];
const ALL = [...ALL_BUT_LARGE, 'large'];

async function boto3(
  action: 'write' | 'read',
  prefix: string,
  options: { readonly via: string; readonly only?: readonly string[] },
): Promise<void> {
  const { via, only = ALL_BUT_LARGE } = options;
  const endpoint = (await endpointOf(via))['AWS_ENDPOINT_URL'] as string;
  const finished = await cluster.python('boto3_objects.py', action, 'boto3-bucket', prefix, '--endpoint', endpoint, '--only', ...only);
  assert.equal(finished.code, 0, `boto3 ${action} ${prefix} through ${via}: ${finished.stderr || finished.stdout}`);
}

test('status names every process, endpoint, drive and set', async () => {
  const status = await cluster.status();
  assert.equal(status.nodes.length, 4);
  for (const node of status.nodes) {
    assert.ok(node.pid !== null && node.pid > 1);
    assert.match(node.endpoints.s3, /^http:\/\/127\.0\.0\.\d+:9000$/);
    assert.deepEqual(
      node.drives.map((drive) => drive.state),
      ['Healthy'],
    );
  }
  assert.deepEqual(
    status.sets.map((set) => [set.data, set.parity, set.state, set.voting]),
    [[2, 2, 'Healthy', 4]],
  );
  assert.equal(statSync(join(cluster.dataFolder, 'env')).mode & 0o777, 0o600);
});

test('the AWS CLI makes a bucket, copies, lists, syncs and removes', async () => {
  await cluster.awsMust('s3', 'mb', 's3://cli-bucket');
  const source = join(folder, 'source');
  mkdirSync(join(source, 'sub'), { recursive: true });
  const files = { empty: 0, one: 1, 'sub/small': 4096, 'sub/large': 9 * 1024 * 1024 + 1 };
  for (const [name, size] of Object.entries(files)) writeFileSync(join(source, name), randomBytes(size));
  await cluster.awsMust('s3', 'cp', join(source, 'sub/large'), 's3://cli-bucket/copied', '--no-progress');
  await cluster.awsMust('s3', 'sync', source, 's3://cli-bucket/tree', '--no-progress');
  const listed = await cluster.awsMust('s3', 'ls', '--recursive', 's3://cli-bucket');
  const keys = listed
    .trim()
    .split('\n')
    .map((line) => line.trim().split(/\s+/).slice(2).join(' '));
  assert.deepEqual(keys, [
    `${9 * 1024 * 1024 + 1} copied`,
    '0 tree/empty',
    '1 tree/one',
    `${9 * 1024 * 1024 + 1} tree/sub/large`,
    '4096 tree/sub/small',
  ]);
  const back = join(folder, 'back');
  await cluster.awsMust('s3', 'sync', 's3://cli-bucket/tree', back, '--no-progress');
  for (const name of Object.keys(files))
    assert.equal(sha256(readFileSync(join(back, name))), sha256(readFileSync(join(source, name))), name);
  await cluster.awsMust('s3', 'rm', '--recursive', 's3://cli-bucket');
  assert.equal((await cluster.aws('s3', 'ls', '--recursive', 's3://cli-bucket')).stdout.trim(), '');
  await cluster.awsMust('s3', 'rb', 's3://cli-bucket');
  assert.doesNotMatch(await cluster.awsMust('s3', 'ls'), /cli-bucket/);
});

test('boto3 stores 0 B to 200 MiB and reads the same bytes from another node', async () => {
  await boto3('write', 'first/', { via: names[0] as string, only: ALL });
  await boto3('read', 'first/', { via: names[3] as string, only: ALL });
});

test('one killed node stops neither reads nor writes', async () => {
  await cluster.stopNode(names[1] as string);
  await cluster.waitFor('a Degraded set', (status) => status.sets.some((set) => set.state === 'Degraded'));
  await boto3('read', 'first/', { via: names[0] as string });
  await boto3('write', 'degraded/', { via: names[2] as string });
});

test('a second killed node stops no read, also of what was written just before', async () => {
  await cluster.stopNode(names[2] as string);
  await boto3('read', 'first/', { via: names[0] as string, only: ALL });
  await boto3('read', 'degraded/', { via: names[3] as string });
  const refused = await cluster.aws('s3api', 'put-object', '--bucket', 'boto3-bucket', '--key', 'refused', '--cli-read-timeout', '60');
  assert.notEqual(refused.code, 0, 'a write without a quorum was acknowledged');
  assert.match(refused.stderr, /ServiceUnavailable|503/);
});

test('both nodes return and all sets are Healthy again', async () => {
  await cluster.startNode(names[1] as string);
  await cluster.startNode(names[2] as string);
  await cluster.waitHealthy();
  await boto3('read', 'degraded/', { via: names[1] as string });
});

test('everything is still there after all nodes were killed at once and after a clean restart', async () => {
  for (const name of names) await cluster.stopNode(name);
  for (const name of names) await cluster.startNode(name);
  await cluster.waitHealthy();
  await boto3('read', 'first/', { via: names[2] as string });
  await cluster.down();
  await cluster.up();
  await cluster.waitHealthy();
  await boto3('read', 'degraded/', { via: names[0] as string });
});

test('what one node missed is read without two others after a restart: stable marks are durable', async () => {
  await cluster.stopNode(names[0] as string);
  await cluster.stopNode(names[3] as string);
  await boto3('read', 'first/', { via: names[1] as string });
  await cluster.startNode(names[0] as string);
  await cluster.startNode(names[3] as string);
  await cluster.waitHealthy();
});

test('flipped bytes in stored shards are never served', async () => {
  const name = names[1] as string;
  await cluster.stopNode(name, 'TERM');
  const flipped = openDrives(join(cluster.dataFolder, name, 'drives')).flipBytesInContent(64);
  assert.ok(flipped > 0, 'no stored bytes were found to flip');
  await cluster.startNode(name);
  await cluster.waitFor('the node to serve again or to be reported', (status) => status.nodes.every((node) => node.pid !== null));
  // Most of the damage lies in the largest object; whoever reads it first repairs it.
  for (const [index, via] of names.filter((candidate) => candidate !== name).entries())
    await boto3('read', 'first/', { via, only: index === 0 ? ALL : ALL_BUT_LARGE });
});

test('no node left more behind than its folder', () => {
  const entries = readdirSync(cluster.dataFolder).toSorted();
  assert.ok(entries.includes('env') && entries.includes('state.json'), entries.join(' '));
});
