/**
 * Healing on real processes: what a node missed while it was away, and bytes that were damaged under a running node, are whole again
 * without anybody's doing, so that afterwards m other nodes may go.
 */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { after, before, test } from 'node:test';
import { CreateBucketCommand, GetObjectCommand, PutObjectCommand, type S3Client } from '@aws-sdk/client-s3';
import type { HealView } from '../../node/admin/schemas.ts';
import { type FaultCluster, startFaultCluster } from './fault-cluster.ts';
import { clientOf } from './node-client.ts';
import { waitWhole } from './whole.ts';

const Bucket = 'healing';
const SIZES = [3000, 300_000, 1_500_000];
const stored = new Map<string, Buffer>();
let on: FaultCluster;
let clients: readonly S3Client[] = [];

before(async () => {
  on = await startFaultCluster({ data: 2, parity: 2 });
  clients = on.names.map((_, node) => clientOf(on, node));
  await via(0).send(new CreateBucketCommand({ Bucket }));
  await putAll(0, 'whole');
});
after(async () => {
  for (const client of clients) client.destroy();
  await on?.[Symbol.asyncDispose]();
});

const via = (node: number): S3Client => clients[node] as S3Client;

async function putAll(node: number, prefix: string): Promise<void> {
  for (const size of SIZES) {
    for (let number = 0; number < 4; number += 1) {
      const [Key, Body] = [`${prefix}/${size}-${number}`, randomBytes(size)];
      await via(node).send(new PutObjectCommand({ Bucket, Key, Body }));
      stored.set(Key, Body);
    }
  }
}

async function readAll(node: number): Promise<void> {
  for (const [Key, bytes] of stored) {
    const reply = await via(node)
      .send(new GetObjectCommand({ Bucket, Key }))
      .catch((error: unknown) => assert.fail(`${Key} through node ${node}: ${String(error)}`));
    assert.ok(bytes.equals((await reply.Body?.transformToByteArray()) ?? Buffer.alloc(0)), `${Key} through node ${node}: other bytes`);
  }
}

/** With each pair of nodes away in turn, the other two give everything back: all slots hold what they should. */
async function assertWhole(pairs: readonly (readonly [number, number])[]): Promise<void> {
  for (const pair of pairs) {
    await Promise.all(pair.map((node) => on.end(node, 'SIGKILL')));
    const left = [...on.names.keys()].filter((node) => !pair.includes(node));
    await readAll(left[0] as number);
    await Promise.all(pair.map((node) => on.start(node)));
    await on.waitHealthy();
  }
}

const healed = (views: readonly HealView[]): number =>
  views.flatMap((view) => view.drives).reduce((sum, drive) => sum + drive.objectsTotal, 0);

test('what was written and deleted while a node was away comes to it by itself', async () => {
  await on.end(1, 'SIGKILL');
  await putAll(0, 'missed');
  await on.start(1);
  await on.waitHealthy();
  const views = await waitWhole(on);
  assert.ok(healed(views) >= SIZES.length * 4, `only ${healed(views)} objects were healed`);
  assert.ok((views[1]?.drives[0]?.objectsTotal ?? 0) > 0, 'the node that was away healed nothing');
  await assertWhole([
    [0, 2],
    [2, 3],
    [0, 3],
  ]);
});

test('bytes that change under a running node are found by reads and written again', async () => {
  const undo = await on.inflict({ kind: 'flip', nodes: [1], heldMs: 0 });
  // Node 1 has a data shard of everything, so reads meet the damage; in a parity shard only the scrub would.
  await undo();
  for (let round = 0; round < 3; round += 1) for (const node of on.names.keys()) await readAll(node);
  await waitWhole(on);
  await assertWhole([[0, 2]]);
});

test('a node that is restarted while it heals goes on with it', async () => {
  await on.end(3, 'SIGKILL');
  await putAll(1, 'resumed');
  await on.start(3);
  await on.waitFor('the node to be back', (status) => status.nodes[3]?.ready === true);
  await on.end(3, 'SIGKILL');
  await on.start(3);
  await on.waitHealthy();
  await waitWhole(on);
  await assertWhole([
    [0, 1],
    [1, 2],
  ]);
});

test('a drive that was wiped is taken as a replacement and filled, under load, and then any two others may go', async () => {
  const undo = await on.inflict({ kind: 'wipe', nodes: [2], heldMs: 0 });
  await undo();
  await on.waitHealthy();
  await putAll(3, 'while-it-is-filled');
  for (const node of on.names.keys()) await readAll(node);
  const views = await waitWhole(on);
  const { objectsTotal = 0, leastShards } = views[2]?.drives[0] ?? {};
  assert.ok(objectsTotal >= stored.size / 2, `only ${objectsTotal} objects were filled in`);
  assert.equal(leastShards === null || leastShards === undefined, false);
  await assertWhole([
    [0, 1],
    [1, 3],
    [0, 3],
  ]);
});
