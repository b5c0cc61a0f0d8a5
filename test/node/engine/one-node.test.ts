/** One real node with four drives: every control operation over its real engine, and its life from start to stop. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { test } from 'node:test';
import {
  AbortMultipartUploadCommand,
  CompleteMultipartUploadCommand,
  CreateBucketCommand,
  CreateMultipartUploadCommand,
  DeleteBucketCommand,
  DeleteObjectsCommand,
  GetBucketLocationCommand,
  GetObjectCommand,
  HeadBucketCommand,
  HeadObjectCommand,
  ListBucketsCommand,
  ListMultipartUploadsCommand,
  type ListMultipartUploadsCommandOutput,
  ListObjectsCommand,
  type ListObjectsCommandOutput,
  ListObjectsV2Command,
  type ListObjectsV2CommandOutput,
  ListPartsCommand,
  PutObjectCommand,
  type S3Client,
  UploadPartCommand,
} from '@aws-sdk/client-s3';
import { compareBytes } from '../s3/memory-primitives.ts';
import { clusterConfigs, NodeProcess, temporaryFolder } from './node-process.ts';

const PART_BYTES = 5 * 1024 * 1024;
const LISTED_KEYS = ['list/a', 'list/a/', 'list/a/1', 'list/a/2', 'list/b', 'list/é', 'list/😀', 'list/z z', 'list/../x', 'list//y'];

for (const shape of [
  { engine: 'uring', cores: 1 },
  { engine: 'poll', cores: 1 },
  { engine: 'uring', cores: 3 },
  { engine: 'poll', cores: 3 },
] as const) {
  test(`a node with ${shape.cores} ${shape.engine} cores answers every operation and keeps all of it over a restart`, async () =>
    await live(shape));
}

async function live(shape: { readonly engine: 'uring' | 'poll'; readonly cores: number }): Promise<void> {
  using folder = temporaryFolder();
  const [config] = await clusterConfigs(folder.path, { nodes: 1, drivesPerNode: 4, ...shape });
  assert.ok(config !== undefined);
  const small = randomBytes(4096);
  const large = randomBytes(PART_BYTES + 12_345);
  {
    await using node = new NodeProcess(folder.path, config);
    await node.ready();
    const client = node.client();
    await client.send(new CreateBucketCommand({ Bucket: 'bucket' }));
    assert.equal((await client.send(new HeadBucketCommand({ Bucket: 'bucket' }))).BucketRegion, 'us-east-1');
    assert.equal((await client.send(new GetBucketLocationCommand({ Bucket: 'bucket' }))).LocationConstraint, undefined);
    const { Buckets } = await client.send(new ListBucketsCommand({}));
    assert.deepEqual(
      Buckets?.map((bucket) => bucket.Name),
      ['bucket'],
    );
    await client.send(new PutObjectCommand({ Bucket: 'bucket', Key: 'small', Body: small }));
    await listEveryWay(client);
    await multipart(client, large);
    await assert.rejects(client.send(new DeleteBucketCommand({ Bucket: 'bucket' })), { name: 'BucketNotEmpty' });
    assert.equal(await node.end('SIGTERM'), 0, node.log);
  }
  await using node = new NodeProcess(folder.path, { ...config, cluster: { ...config.cluster, bootstrap: false } });
  await node.ready();
  const client = node.client();
  assert.deepEqual(await bodyOf(client, 'small'), small);
  assert.deepEqual(await bodyOf(client, 'large'), large);
  await client.send(
    new DeleteObjectsCommand({
      Bucket: 'bucket',
      Delete: { Objects: ['small', 'large', 'never', ...LISTED_KEYS].map((Key) => ({ Key })) },
    }),
  );
  assert.equal((await client.send(new ListObjectsV2Command({ Bucket: 'bucket' }))).KeyCount, 0);
  await client.send(new DeleteBucketCommand({ Bucket: 'bucket' }));
  await assert.rejects(client.send(new HeadBucketCommand({ Bucket: 'bucket' })), { name: 'NotFound' });
  assert.equal(await node.end('SIGINT'), 0, node.log);
}

/** Pages with and without delimiter hold what was put, in byte order. */
async function listEveryWay(client: S3Client): Promise<void> {
  for (const Key of LISTED_KEYS) await client.send(new PutObjectCommand({ Bucket: 'bucket', Key, Body: 'x' }));
  const ordered = LISTED_KEYS.toSorted(compareBytes);
  const seen: string[] = [];
  let token: string | undefined;
  do {
    const page: ListObjectsV2CommandOutput = await client.send(
      new ListObjectsV2Command({
        Bucket: 'bucket',
        Prefix: 'list/',
        MaxKeys: 3,
        ...(token === undefined ? {} : { ContinuationToken: token }),
      }),
    );
    seen.push(...(page.Contents ?? []).map((row) => row.Key ?? ''));
    token = page.NextContinuationToken;
  } while (token !== undefined);
  assert.deepEqual(seen, ordered);

  const names: string[] = [];
  let marker: string | undefined;
  do {
    const page: ListObjectsCommandOutput = await client.send(
      new ListObjectsCommand({
        Bucket: 'bucket',
        Prefix: 'list/',
        Delimiter: '/',
        MaxKeys: 2,
        ...(marker === undefined ? {} : { Marker: marker }),
      }),
    );
    names.push(...(page.Contents ?? []).map((row) => row.Key ?? ''), ...(page.CommonPrefixes ?? []).map((row) => row.Prefix ?? ''));
    marker = page.NextMarker;
  } while (marker !== undefined);
  assert.deepEqual(
    names.toSorted(compareBytes),
    ['list/../', 'list//', 'list/a', 'list/a/', 'list/b', 'list/z z', 'list/é', 'list/😀'].toSorted(compareBytes),
  );
}

async function multipart(client: S3Client, body: Buffer): Promise<void> {
  const place = { Bucket: 'bucket', Key: 'large' };
  const { UploadId } = await client.send(new CreateMultipartUploadCommand({ ...place, ContentType: 'text/plain', Metadata: { a: '1' } }));
  const halves = [body.subarray(0, PART_BYTES), body.subarray(PART_BYTES)];
  const parts: { ETag: string; PartNumber: number }[] = [];
  for (const [index, Body] of halves.entries()) {
    const { ETag } = await client.send(new UploadPartCommand({ ...place, UploadId, PartNumber: index + 1, Body }));
    parts.push({ ETag: ETag ?? '', PartNumber: index + 1 });
  }
  const listed = await client.send(new ListPartsCommand({ ...place, UploadId }));
  assert.deepEqual(
    listed.Parts?.map((part) => part.Size),
    halves.map((half) => half.length),
  );
  const { ETag } = await client.send(new CompleteMultipartUploadCommand({ ...place, UploadId, MultipartUpload: { Parts: parts } }));
  assert.match(ETag ?? '', /^"[0-9a-f]{32}-2"$/);
  const { ContentType, Metadata } = await client.send(new HeadObjectCommand(place));
  assert.deepEqual([ContentType, Metadata], ['text/plain', { a: '1' }]);
  assert.deepEqual(await bodyOf(client, 'large'), body);
  const other = { Bucket: 'bucket', Key: 'aborted' };
  const { UploadId: aborted } = await client.send(new CreateMultipartUploadCommand(other));
  const { Uploads: underWay } = await client.send(new ListMultipartUploadsCommand({ Bucket: 'bucket' }));
  assert.deepEqual(
    underWay?.map((row) => [row.Key, row.UploadId]),
    [['aborted', aborted]],
  );
  await listUploads(client);
  await client.send(new AbortMultipartUploadCommand({ ...other, UploadId: aborted }));
  await assert.rejects(client.send(new ListPartsCommand({ ...other, UploadId: aborted })), { name: 'NoSuchUpload' });
}

/** Uploads of several keys, in pages of every size, with and without groups. */
async function listUploads(client: S3Client): Promise<void> {
  const keys = ['up/a', 'up/a', 'up/a/1', 'up/a/2', 'up/b', 'up/é'];
  const ids = await Promise.all(
    keys.map(async (Key) => (await client.send(new CreateMultipartUploadCommand({ Bucket: 'bucket', Key }))).UploadId),
  );
  for (const [Delimiter, expected] of [
    [undefined, keys],
    ['/', ['up/a', 'up/a', 'up/a/', 'up/b', 'up/é']],
  ] as const) {
    for (const MaxUploads of [1, 2, 4, 1000]) {
      const names: string[] = [];
      const seen = new Set<string>();
      let [KeyMarker, UploadIdMarker]: (string | undefined)[] = [];
      do {
        const page: ListMultipartUploadsCommandOutput = await client.send(
          new ListMultipartUploadsCommand({ Bucket: 'bucket', Prefix: 'up/', Delimiter, MaxUploads, KeyMarker, UploadIdMarker }),
        );
        for (const row of page.Uploads ?? []) seen.add(row.UploadId ?? '');
        names.push(...(page.Uploads ?? []).map((row) => row.Key ?? ''), ...(page.CommonPrefixes ?? []).map((row) => row.Prefix ?? ''));
        [KeyMarker, UploadIdMarker] = page.IsTruncated === true ? [page.NextKeyMarker, page.NextUploadIdMarker] : [];
      } while (KeyMarker !== undefined);
      assert.deepEqual(names.toSorted(compareBytes), [...expected].toSorted(compareBytes), `${MaxUploads} ${Delimiter}`);
      if (Delimiter === undefined) assert.deepEqual([...seen].toSorted(compareBytes), ids.map(String).toSorted(compareBytes));
    }
  }
  for (const [index, Key] of keys.entries()) {
    await client.send(new AbortMultipartUploadCommand({ Bucket: 'bucket', Key, UploadId: ids[index] }));
  }
  const { Uploads } = await client.send(new ListMultipartUploadsCommand({ Bucket: 'bucket', Prefix: 'up/' }));
  assert.deepEqual(Uploads ?? [], []);
}

async function bodyOf(client: S3Client, Key: string): Promise<Buffer> {
  const { Body } = await client.send(new GetObjectCommand({ Bucket: 'bucket', Key }));
  return Buffer.from((await Body?.transformToByteArray()) ?? []);
}

test('a node whose drives cannot be opened ends with 1 and names each drive and reason', async () => {
  using folder = temporaryFolder();
  const [config] = await clusterConfigs(folder.path, { nodes: 1, drivesPerNode: 4 });
  assert.ok(config !== undefined);
  const drives = config.drives.map((drive) => ({ ...drive, path: `${drive.path}-missing` }));
  await using node = new NodeProcess(folder.path, { ...config, drives });
  assert.equal(await node.exit(), 1);
  for (const drive of drives) assert.ok(node.log.includes(drive.path), node.log);
});

for (const purpose of ['s3', 'peer', 'admin'] as const) {
  test(`a node whose ${purpose} port is taken ends with 1 and names it`, async () => {
    using folder = temporaryFolder();
    const [first, second] = await Promise.all(
      [1, 2].map((number) => clusterConfigs(`${folder.path}/${number}`, { nodes: 1, drivesPerNode: 4 })),
    );
    const [running, config] = [first?.[0], second?.[0]];
    assert.ok(running !== undefined && config !== undefined);
    const taken = running.listen[purpose];
    const nodes = config.nodes.map((node) => ({ ...node, [`${purpose}_port`]: Number(taken.split(':')[1]) }));
    await using other = new NodeProcess(`${folder.path}/1`, running);
    await other.ready();
    await using node = new NodeProcess(`${folder.path}/2`, { ...config, nodes, listen: { ...config.listen, [purpose]: taken } });
    assert.equal(await node.exit(), 1);
    assert.ok(node.log.includes(taken), node.log);
  });
}

test('a second process over the same drives ends with 1 and says that they are in use', async () => {
  using folder = temporaryFolder();
  const [config] = await clusterConfigs(folder.path, { nodes: 1, drivesPerNode: 4 });
  const [elsewhere] = await clusterConfigs(`${folder.path}/other`, { nodes: 1, drivesPerNode: 4 });
  assert.ok(config !== undefined && elsewhere !== undefined);
  await using first = new NodeProcess(folder.path, config);
  await first.ready();
  await using second = new NodeProcess(`${folder.path}/other`, { ...elsewhere, drives: config.drives });
  assert.equal(await second.exit(), 1);
  assert.match(second.log, /drive 0 .* is busy/);
});
