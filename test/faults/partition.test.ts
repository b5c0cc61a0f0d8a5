/** Partitions between real processes, also one-way: who is cut off refuses writes and says so, all others go on, and everybody agrees afterwards. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { after, before, test } from 'node:test';
import {
  CreateBucketCommand,
  GetObjectCommand,
  ListObjectsV2Command,
  PutObjectCommand,
  type S3Client,
  S3ServiceException,
} from '@aws-sdk/client-s3';
import { type FaultCluster, startFaultCluster } from './fault-cluster.ts';
import { clientOf } from './node-client.ts';

const Bucket = 'partitions';
const stored = new Map<string, Buffer>();
/** Keys of which nobody was told whether they took effect. */
const unknown = new Set<string>();
let on: FaultCluster;
let clients: readonly S3Client[] = [];

before(async () => {
  on = await startFaultCluster({ data: 2, parity: 2 });
  clients = on.names.map((_, node) => clientOf(on, node));
  await via(0).send(new CreateBucketCommand({ Bucket }));
});
after(async () => {
  for (const client of clients) client.destroy();
  await on?.[Symbol.asyncDispose]();
});

const via = (node: number): S3Client => clients[node] as S3Client;

async function put(node: number, Key: string): Promise<void> {
  for (const size of [50, 300_000]) {
    const Body = randomBytes(size);
    await via(node).send(new PutObjectCommand({ Bucket, Key: `${Key}/${size}`, Body }));
    stored.set(`${Key}/${size}`, Body);
  }
}

async function readAll(node: number, prefix = ''): Promise<void> {
  for (const [Key, bytes] of stored) {
    if (!Key.startsWith(prefix)) continue;
    const reply = await via(node).send(new GetObjectCommand({ Bucket, Key }));
    assert.ok(bytes.equals((await reply.Body?.transformToByteArray()) ?? Buffer.alloc(0)), `${Key} through node ${node}: other bytes`);
  }
}

/** A write through the node ends with 503. Only if that says that nothing was changed is the key certain not to be found later. */
async function putRefused(node: number, Key: string): Promise<void> {
  const call = via(node).send(new PutObjectCommand({ Bucket, Key, Body: randomBytes(2000) }));
  const isRefusal = (error: unknown): boolean => {
    if (!(error instanceof S3ServiceException) || error.$metadata.httpStatusCode !== 503) return false;
    if (!error.message.includes('Nothing was changed')) unknown.add(Key);
    return true;
  };
  await assert.rejects(call, isRefusal, `${Key} through node ${node}`);
}

async function allAgree(): Promise<void> {
  await on.waitHealthy();
  for (const node of on.names.keys()) {
    await readAll(node);
    const page = await via(node).send(new ListObjectsV2Command({ Bucket }));
    assert.deepEqual(
      (page.Contents ?? []).map((row) => row.Key as string).filter((key) => !unknown.has(key)),
      [...stored.keys()].toSorted(),
      `the list of node ${node}`,
    );
  }
}

test('a node that is cut off refuses writes, the other three read and write', async () => {
  await put(3, 'before');
  const undo = await on.inflict({ kind: 'isolate', nodes: [3], heldMs: 0 });
  try {
    await on.waitFor('the others to see it gone', (status) => status.sets.every((set) => set.state === 'Degraded'));
    await put(0, 'isolated');
    await put(1, 'isolated-too');
    await readAll(2);
    await putRefused(3, 'from-the-minority');
  } finally {
    await undo();
  }
  await allAgree();
});

test('with the cluster cut in two halves nobody writes and everybody reads what all nodes hold', async () => {
  const cuts = [
    [0, 2],
    [0, 3],
    [1, 2],
    [1, 3],
  ] as const;
  const undo: (() => Promise<void>)[] = [];
  try {
    for (const nodes of cuts) undo.push(await on.inflict({ kind: 'cut', nodes, heldMs: 0 }));
    await on.waitFor('both halves to see only themselves', (status) => status.sets.every((set) => set.voting === 2));
    for (const node of on.names.keys()) {
      await readAll(node, 'before/');
      await putRefused(node, `half-${node}`);
    }
  } finally {
    for (const mend of undo) await mend();
  }
  await allAgree();
});

for (const kind of ['deafen', 'mute'] as const) {
  test(`a node whose links work in one direction only (${kind}) holds nobody up`, async () => {
    const undo = await on.inflict({ kind, nodes: [1], heldMs: 0 });
    try {
      await put(0, kind);
      await put(2, `${kind}-too`);
      await readAll(3);
      await putRefused(1, `from-the-one-way-node-${kind}`);
    } finally {
      await undo();
    }
    await allAgree();
  });
}

test('two nodes that cannot talk to each other, but to all others, both serve', async () => {
  const undo = await on.inflict({ kind: 'cut', nodes: [0, 1], heldMs: 0 });
  try {
    for (const node of on.names.keys()) await put(node, `cut-${node}`);
    for (const node of on.names.keys()) await readAll(node);
  } finally {
    await undo();
  }
  await allAgree();
});
