/** @aws-sdk/client-s3 at its defaults against a running cluster. */
import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { after, before, test } from 'node:test';
import {
  AbortMultipartUploadCommand,
  CompleteMultipartUploadCommand,
  CreateBucketCommand,
  CreateMultipartUploadCommand,
  DeleteBucketCommand,
  DeleteObjectCommand,
  DeleteObjectsCommand,
  GetObjectCommand,
  GetObjectTaggingCommand,
  HeadObjectCommand,
  ListObjectsCommand,
  ListObjectsV2Command,
  PutObjectCommand,
  PutObjectTaggingCommand,
  S3Client,
  S3ServiceException,
  UploadPartCommand,
} from '@aws-sdk/client-s3';
import { startCluster, type TestCluster } from './cluster.ts';

const MIB = 1024 * 1024;
const Bucket = 'sdk-bucket';
let cluster: TestCluster;
let client: S3Client;

/** A client with the SDK's defaults, but for what tells it where the cluster is. */
function clientOf(endpoint: string, more: { readonly maxAttempts?: number } = {}): S3Client {
  const { AWS_REGION, AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY } = cluster.env;
  const credentials = { accessKeyId: AWS_ACCESS_KEY_ID as string, secretAccessKey: AWS_SECRET_ACCESS_KEY as string };
  return new S3Client({ endpoint, region: AWS_REGION as string, forcePathStyle: true, credentials, ...more });
}

before(async () => {
  cluster = await startCluster();
  await cluster.waitHealthy();
  client = clientOf(cluster.env['AWS_ENDPOINT_URL'] as string);
  await client.send(new CreateBucketCommand({ Bucket }));
});
after(async () => {
  client?.destroy();
  await cluster?.[Symbol.asyncDispose]();
});

async function get(
  Key: string,
  more: { readonly Range?: string; readonly IfMatch?: string; readonly IfNoneMatch?: string } = {},
): Promise<Buffer> {
  const reply = await client.send(new GetObjectCommand({ Bucket, Key, ...more }));
  return Buffer.from((await reply.Body?.transformToByteArray()) ?? []);
}

/** The name of the error that a call ends with. */
async function errorOf(call: Promise<unknown>): Promise<string> {
  try {
    await call;
  } catch (error) {
    return error instanceof S3ServiceException ? `${error.name} ${error.$metadata.httpStatusCode}` : String(error);
  }
  return 'no error';
}

test('bodies of every size come back, whole and by range', async () => {
  for (const size of [0, 1, 4096, 131_073, MIB + 1, 5 * MIB]) {
    const Body = randomBytes(size);
    const put = await client.send(new PutObjectCommand({ Bucket, Key: `size/${size}`, Body, Metadata: { size: String(size) } }));
    assert.equal(put.ETag, `"${createHash('md5').update(Body).digest('hex')}"`);
    assert.ok((await get(`size/${size}`)).equals(Body), `${size} bytes`);
    if (size > 3)
      assert.ok((await get(`size/${size}`, { Range: `bytes=${size >> 1}-` })).equals(Body.subarray(size >> 1)), `half of ${size}`);
    const head = await client.send(new HeadObjectCommand({ Bucket, Key: `size/${size}` }));
    assert.deepEqual([head.ContentLength, head.Metadata, head.ETag], [size, { size: String(size) }, put.ETag]);
  }
});

test('conditional writes and reads judge the version they name', async () => {
  const Key = 'conditional';
  const first = await client.send(new PutObjectCommand({ Bucket, Key, Body: 'one', IfNoneMatch: '*' }));
  assert.equal(await errorOf(client.send(new PutObjectCommand({ Bucket, Key, Body: 'two', IfNoneMatch: '*' }))), 'PreconditionFailed 412');
  assert.equal(
    await errorOf(client.send(new PutObjectCommand({ Bucket, Key, Body: 'two', IfMatch: '"0123456789abcdef0123456789abcdef"' }))),
    'PreconditionFailed 412',
  );
  const second = await client.send(new PutObjectCommand({ Bucket, Key, Body: 'two', IfMatch: first.ETag }));
  assert.equal(await errorOf(get(Key, { IfMatch: first.ETag as string })), 'PreconditionFailed 412');
  assert.match(await errorOf(get(Key, { IfNoneMatch: second.ETag as string })), /304/);
  assert.equal((await get(Key)).toString(), 'two');
});

test('of many racing If-None-Match writes exactly one wins', async () => {
  const nodes = (await cluster.status()).nodes;
  const clients = nodes.map((node) => clientOf(node.endpoints.s3, { maxAttempts: 1 }));
  const results = await Promise.all(
    clients.flatMap((racer, index) =>
      [0, 1].map((round) =>
        errorOf(racer.send(new PutObjectCommand({ Bucket, Key: 'race', Body: `${index}.${round}`, IfNoneMatch: '*' }))),
      ),
    ),
  );
  for (const racer of clients) racer.destroy();
  assert.equal(results.filter((result) => result === 'no error').length, 1, results.join(', '));
  for (const result of results) assert.match(result, /^no error$|PreconditionFailed 412|ConditionalRequestConflict 409/);
});

test('keys that look like paths stay the distinct keys that they are', async () => {
  const keys = ['../x', '../../etc/passwd', 'a', 'a/', 'a//b', 'a/b', 'a b+c', './a', 'ü/日本', 'x'.repeat(1024), '%2e%2e/'];
  for (const Key of keys) await client.send(new PutObjectCommand({ Bucket, Key: `k/${Key}`.slice(0, 1024), Body: Key }));
  for (const Key of keys) assert.equal((await get(`k/${Key}`.slice(0, 1024))).toString(), Key);
  const listed = await client.send(new ListObjectsV2Command({ Bucket, Prefix: 'k/' }));
  const expected = keys
    .map((key) => `k/${key}`.slice(0, 1024))
    .toSorted((left, right) => Buffer.compare(Buffer.from(left), Buffer.from(right)));
  assert.deepEqual(
    listed.Contents?.map((entry) => entry.Key),
    expected,
  );
});

test('lists page in byte order with prefixes and delimiters', async () => {
  const keys = Array.from({ length: 60 }, (_, index) => `list/${String(index % 7)}/${String(index).padStart(3, '0')}`);
  await Promise.all(keys.map((Key) => client.send(new PutObjectCommand({ Bucket, Key, Body: Key }))));
  const found: string[] = [];
  let ContinuationToken: string | undefined;
  do {
    const page = await client.send(
      new ListObjectsV2Command({ Bucket, Prefix: 'list/', MaxKeys: 7, ...(ContinuationToken === undefined ? {} : { ContinuationToken }) }),
    );
    found.push(...(page.Contents ?? []).map((entry) => entry.Key as string));
    ContinuationToken = page.NextContinuationToken;
  } while (ContinuationToken !== undefined);
  assert.deepEqual(found, keys.toSorted());
  const grouped = await client.send(new ListObjectsV2Command({ Bucket, Prefix: 'list/', Delimiter: '/' }));
  assert.deepEqual(
    grouped.CommonPrefixes?.map((entry) => entry.Prefix),
    Array.from({ length: 7 }, (_, index) => `list/${index}/`),
  );
  const first = await client.send(new ListObjectsCommand({ Bucket, Prefix: 'list/', Delimiter: '/', MaxKeys: 3 }));
  assert.deepEqual([first.CommonPrefixes?.length, first.IsTruncated], [3, true]);
});

test('multipart uploads complete, abort and refuse wrong parts', async () => {
  const Key = 'multipart';
  const parts = [randomBytes(5 * MIB), randomBytes(5 * MIB + 7), randomBytes(100)];
  const { UploadId } = await client.send(new CreateMultipartUploadCommand({ Bucket, Key, ContentType: 'application/x-parts' }));
  const sent = await Promise.all(
    parts.map(async (Body, index) => {
      const { ETag } = await client.send(new UploadPartCommand({ Bucket, Key, UploadId, PartNumber: index + 1, Body }));
      return { ETag, PartNumber: index + 1 };
    }),
  );
  const wrong = { Parts: [{ ...sent[0], ETag: '"0123456789abcdef0123456789abcdef"' }] };
  assert.match(
    await errorOf(client.send(new CompleteMultipartUploadCommand({ Bucket, Key, UploadId, MultipartUpload: wrong }))),
    /InvalidPart 400/,
  );
  const done = await client.send(new CompleteMultipartUploadCommand({ Bucket, Key, UploadId, MultipartUpload: { Parts: sent } }));
  assert.match(done.ETag ?? '', /-3"$/);
  assert.ok((await get(Key)).equals(Buffer.concat(parts)));
  assert.ok(
    (await get(Key, { Range: `bytes=${5 * MIB - 10}-${5 * MIB + 9}` })).equals(Buffer.concat(parts).subarray(5 * MIB - 10, 5 * MIB + 10)),
  );
  const second = await client.send(new CreateMultipartUploadCommand({ Bucket, Key }));
  await client.send(new UploadPartCommand({ Bucket, Key, UploadId: second.UploadId, PartNumber: 1, Body: 'x' }));
  await client.send(new AbortMultipartUploadCommand({ Bucket, Key, UploadId: second.UploadId }));
  assert.equal(
    await errorOf(client.send(new UploadPartCommand({ Bucket, Key, UploadId: second.UploadId, PartNumber: 2, Body: 'x' }))),
    'NoSuchUpload 404',
  );
  assert.ok((await get(Key)).equals(Buffer.concat(parts)), 'an aborted upload touched the object');
});

test('what is not built yet answers NotImplemented and changes nothing', async () => {
  await client.send(new PutObjectCommand({ Bucket, Key: 'untouched', Body: 'still here' }));
  const Tagging = { TagSet: [{ Key: 'a', Value: 'b' }] };
  assert.equal(await errorOf(client.send(new PutObjectTaggingCommand({ Bucket, Key: 'untouched', Tagging }))), 'NotImplemented 501');
  assert.equal(await errorOf(client.send(new GetObjectTaggingCommand({ Bucket, Key: 'untouched' }))), 'NotImplemented 501');
  assert.equal((await get('untouched')).toString(), 'still here');
});

test('deletes are idempotent, batches report every key, and a bucket goes only when it is empty', async () => {
  assert.equal(await errorOf(client.send(new DeleteBucketCommand({ Bucket }))), 'BucketNotEmpty 409');
  await client.send(new DeleteObjectCommand({ Bucket, Key: 'never-was' }));
  for (;;) {
    const page = await client.send(new ListObjectsV2Command({ Bucket }));
    const Objects = (page.Contents ?? []).map((entry) => ({ Key: entry.Key as string }));
    if (Objects.length === 0) break;
    const deleted = await client.send(new DeleteObjectsCommand({ Bucket, Delete: { Objects } }));
    assert.equal(deleted.Deleted?.length, Objects.length, JSON.stringify(deleted.Errors));
  }
  assert.equal(await errorOf(get('conditional')), 'NoSuchKey 404');
  await client.send(new DeleteBucketCommand({ Bucket }));
  assert.equal(await errorOf(get('conditional')), 'NoSuchBucket 404');
});
