/**
 * Drives that are not the ones a node should have, nodes that are not who they say, and mounts that go: refused by name, with what to do,
 * while the others serve on. Nodes run from configurations of their own, so that each can be given the wrong thing.
 */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdirSync, readdirSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { CreateBucketCommand, GetObjectCommand, PutObjectCommand, type S3Client } from '@aws-sdk/client-s3';
import type { NodeConfig } from '../../node/config/schema.ts';
import { copyDrive } from '../cluster/drive-damage.ts';
import { clusterConfigs, NodeProcess, temporaryFolder, until } from '../node/engine/node-process.ts';

const Bucket = 'drives';
const folder = temporaryFolder();
const stored = new Map<string, Buffer>();
let configs: readonly NodeConfig[] = [];
const running = new Map<number, NodeProcess>();
let client: S3Client;

const driveOf = (node: number): string => configs[node]?.drives[0]?.path as string;

const slotOf = (node: number): number => configs[node]?.sets[0]?.slots.findIndex((slot) => slot.node === node) as number;

/** Starts a node, with another configuration if one is given. */
function start(node: number, config = configs[node] as NodeConfig): NodeProcess {
  const started = new NodeProcess(folder.path, config);
  running.set(node, started);
  return started;
}

async function stop(node: number): Promise<void> {
  await running.get(node)?.end('SIGINT');
  running.delete(node);
}

async function put(Key: string): Promise<void> {
  const Body = randomBytes(300_000);
  await client.send(new PutObjectCommand({ Bucket, Key, Body }));
  stored.set(Key, Body);
}

async function readAll(prefix = ''): Promise<void> {
  for (const [Key, bytes] of stored) {
    if (!Key.startsWith(prefix)) continue;
    const reply = await client.send(new GetObjectCommand({ Bucket, Key }));
    assert.ok(bytes.equals((await reply.Body?.transformToByteArray()) ?? Buffer.alloc(0)), `${Key}: other bytes came back`);
  }
}

/** A node that must not serve: it ends by itself or is unready, and its log says why. The others write and read meanwhile. */
async function assertRefused(node: number, options: { readonly says: RegExp; readonly config?: NodeConfig }): Promise<void> {
  const refused = start(node, options.config ?? (configs[node] as NodeConfig));
  await until(async () => options.says.test(refused.log), `${options.says} in the log:\n${refused.log}`);
  const reply = await fetch(`http://${refused.config.listen.admin}/wholez`).catch(() => undefined);
  assert.notEqual(reply?.status, 200, 'it says that it is whole');
  await put(`while-refused/${stored.size}`);
  await readAll();
  await stop(node);
}

before(async () => {
  configs = await clusterConfigs(folder.path, { nodes: 4, drivesPerNode: 1 });
  execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=1500m', 'openlake-test', driveOf(1)]);
  configs = configs.map((config, node) =>
    node === 1 ? { ...config, drives: config.drives.map((drive) => ({ ...drive, mount_check: 'strict' as const })) } : config,
  );
  for (const node of configs.keys()) start(node);
  await Promise.all([...running.values()].map((node) => node.ready()));
  client = (running.get(0) as NodeProcess).client();
  await client.send(new CreateBucketCommand({ Bucket }));
  await put('first');
});
after(async () => {
  client?.destroy();
  await Promise.all([...running.values()].map((node) => node[Symbol.asyncDispose]()));
  execFileSync('umount', ['-l', driveOf(1)], { stdio: 'ignore' });
  folder[Symbol.dispose]();
});

test('a mount that is missing at the start is never mistaken for a blank drive, and nothing is written below it', async () => {
  await stop(1);
  const away = join(folder.path, 'away');
  mkdirSync(away);
  execFileSync('mount', ['--move', driveOf(1), away]);
  try {
    await assertRefused(1, { says: /is not a mount of its own/ });
    assert.deepEqual(readdirSync(driveOf(1)), []);
  } finally {
    execFileSync('mount', ['--move', away, driveOf(1)]);
  }
  await start(1).ready();
  await readAll();
});

test('a mount that vanishes under a running node leaves nothing in its place, and all is there when it is back', async () => {
  const away = join(folder.path, 'away');
  execFileSync('mount', ['--move', driveOf(1), away]);
  try {
    for (let number = 0; number < 20; number += 1) await put(`unmounted/${number}`);
    assert.deepEqual(readdirSync(driveOf(1)), []);
    await stop(1);
  } finally {
    execFileSync('mount', ['--move', away, driveOf(1)]);
  }
  await start(1).ready();
  await readAll();
});

test('two nodes whose drives were swapped refuse both, each naming what it found and what it expected', async () => {
  await stop(2);
  await stop(3);
  const [left, right, between] = [driveOf(2), driveOf(3), join(folder.path, 'between')];
  const swap = (): void => {
    renameSync(left, between);
    renameSync(right, left);
    renameSync(between, right);
  };
  swap();
  const swapped = [2, 3].map((node) => start(node));
  for (const [index, node] of [2, 3].entries()) {
    const says = new RegExp(`is set 0 slot ${slotOf(node === 2 ? 3 : 2)}, but is configured as set 0 slot ${slotOf(node)}`);
    await until(async () => says.test(swapped[index]?.log ?? ''), `${says} in the log`);
  }
  // Two nodes are left: enough to read what all four took.
  await readAll('first');
  await stop(2);
  await stop(3);
  swap();
  await Promise.all([2, 3].map((node) => start(node).ready()));
  await readAll();
});

test("another cluster's drive is refused with the names of both clusters", async () => {
  await stop(2);
  const own = join(folder.path, 'own');
  renameSync(driveOf(2), own);
  mkdirSync(driveOf(2));
  // Formatted by a node of another cluster, alone.
  const other = configs[2] as NodeConfig;
  const foreign = new NodeProcess(folder.path, {
    ...other,
    cluster: { ...other.cluster, id: other.cluster.id.replace(/^.{8}/, 'ffffffff') },
    node: { ...other.node, name: 'foreign' },
  });
  await until(async () => readdirSync(driveOf(2)).includes('superblock.1'), `a formatted drive:\n${foreign.log}`);
  await foreign.end('SIGKILL');
  try {
    await assertRefused(2, { says: /belongs to cluster ffffffff|of cluster ffffffff/ });
  } finally {
    rmSync(driveOf(2), { recursive: true });
    renameSync(own, driveOf(2));
  }
  await start(2).ready();
  await readAll();
});

test('a second process with the identity of a running node is refused by the peers, which name the duplicate', async () => {
  const original = configs[3] as NodeConfig;
  const copy = join(folder.path, 'copy');
  copyDrive(driveOf(3), copy);
  const ports = await clusterConfigs(join(folder.path, 'other-ports'), { nodes: 4, drivesPerNode: 1 });
  const elsewhere = ports[3] as NodeConfig;
  const duplicate = new NodeProcess(folder.path, {
    ...original,
    node: { ...original.node, name: 'duplicate' },
    listen: elsewhere.listen,
    nodes: original.nodes.map((node) => (node.id === 3 ? (elsewhere.nodes[3] as (typeof original.nodes)[number]) : node)),
    drives: original.drives.map((drive) => ({ ...drive, path: copy })),
  });
  try {
    let seen = '';
    await until(async () => {
      seen = JSON.stringify(await duplicate.admin('/v1/sets').catch(String));
      return seen.includes('duplicate node id: node 3 runs at its address');
    }, 'the refusal of the duplicate').catch((error: unknown) => assert.fail(`${String(error)}\n${seen}\n${duplicate.log}`));
    assert.equal((await fetch(`http://${duplicate.config.listen.admin}/readyz`)).status, 503);
    await put('beside-the-duplicate');
    await readAll();
  } finally {
    await duplicate.end('SIGKILL');
  }
  await readAll();
});
