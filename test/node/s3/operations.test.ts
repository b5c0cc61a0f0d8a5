/** Every control operation's document, status and errors, over memory. */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { test } from 'node:test';
import { storedObject } from './memory-primitives.ts';
import { controlRequest, documentOf, emptyBucket, memoryRouter } from './s3-fixture.ts';

const md5 = (body: string): string => createHash('md5').update(body).digest('base64');

test('ListBuckets shows owner and buckets by name, in pages', async () => {
  const { send } = memoryRouter(new Map(['b3', 'b1', 'b2', 'other'].map((name) => [name, emptyBucket()])));
  const all = documentOf(await send(controlRequest('GET', '/')));
  assert.deepEqual(all['Owner'], { ID: 'owner-id', DisplayName: 'owner' });
  const { Bucket } = all['Buckets'] as { Bucket: Record<string, string>[] };
  assert.deepEqual(
    Bucket.map((bucket) => bucket['Name']),
    ['b1', 'b2', 'b3', 'other'],
  );
  assert.deepEqual(Bucket[0], { Name: 'b1', CreationDate: '2023-11-14T22:13:20.000Z', BucketRegion: 'eu-west-1' });
  const first = documentOf(await send(controlRequest('GET', '/?prefix=b&max-buckets=2')));
  const rest = documentOf(await send(controlRequest('GET', `/?prefix=b&continuation-token=${String(first['ContinuationToken'])}`)));
  assert.deepEqual(
    (rest['Buckets'] as typeof all & { Bucket: { Name: string }[] }).Bucket.map((bucket) => bucket.Name),
    ['b3'],
  );
  assert.equal(rest['ContinuationToken'], undefined);
});

test('CreateBucket creates, and says so when it is there already', async () => {
  const created = await memoryRouter().send(controlRequest('PUT', '/bucket'));
  assert.deepEqual([created.status, created.headers['location']], [200, '/bucket']);
  for (const [region, status] of [
    ['eu-west-1', 409],
    ['us-east-1', 200],
  ] as const) {
    const { send } = memoryRouter(new Map([['bucket', emptyBucket()]]), region);
    assert.equal((await send(controlRequest('PUT', '/bucket'))).status, status, region);
  }
});

for (const name of [
  'ab',
  'x'.repeat(64),
  'Upper',
  'under_score',
  '-start',
  'end-',
  'a..b',
  '192.168.1.1',
  'xn--a',
  'a-s3alias',
  '...',
  'a b',
]) {
  test(`CreateBucket refuses the name "${name}"`, async () => {
    const reply = await memoryRouter().send(controlRequest('PUT', `/${name}`));
    assert.deepEqual([reply.status, documentOf(reply)['Code']], [400, 'InvalidBucketName']);
    assert.match(reply.body, /expected/);
  });
}

const regionBody = (region: string): string =>
  `<CreateBucketConfiguration xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><LocationConstraint>${region}</LocationConstraint></CreateBucketConfiguration>`;

test('CreateBucket takes the region of the cluster and no other', async () => {
  assert.equal((await memoryRouter().send(controlRequest('PUT', '/bucket', { body: regionBody('eu-west-1') }))).status, 200);
  const reply = await memoryRouter().send(controlRequest('PUT', '/bucket', { body: regionBody('mars') }));
  assert.equal(documentOf(reply)['Code'], 'InvalidLocationConstraint');
  assert.match(reply.body, /&quot;mars&quot;, expected &quot;eu-west-1&quot;/);
});

test('HeadBucket and GetBucketLocation know buckets and their region', async () => {
  const { send } = memoryRouter(new Map([['bucket', emptyBucket()]]));
  const head = await send(controlRequest('HEAD', '/bucket'));
  assert.deepEqual([head.status, head.headers['x-amz-bucket-region'], head.body], [200, 'eu-west-1', '']);
  const missing = await send(controlRequest('HEAD', '/missing'));
  assert.deepEqual([missing.status, missing.body], [404, '']);
  assert.match(
    (await send(controlRequest('GET', '/bucket?location'))).body,
    /<LocationConstraint xmlns="[^"]+">eu-west-1<\/LocationConstraint>/,
  );
  const american = memoryRouter(new Map([['bucket', emptyBucket()]]), 'us-east-1');
  assert.match(
    (await american.send(controlRequest('GET', '/bucket?location'))).body,
    /<LocationConstraint xmlns="[^"]+"><\/LocationConstraint>/,
  );
});

test('DeleteBucket deletes only what is empty', async () => {
  const full = emptyBucket();
  full.objects.set('key', storedObject(1));
  const { send } = memoryRouter(
    new Map([
      ['full', full],
      ['bucket', emptyBucket()],
    ]),
  );
  assert.equal((await send(controlRequest('DELETE', '/bucket'))).status, 204);
  assert.equal(documentOf(await send(controlRequest('DELETE', '/bucket')))['Code'], 'NoSuchBucket');
  const refused = await send(controlRequest('DELETE', '/full'));
  assert.deepEqual([refused.status, documentOf(refused)['Code']], [409, 'BucketNotEmpty']);
});

test('DeleteObjects deletes each key and answers for each', async () => {
  const bucket = emptyBucket();
  for (const name of ['a', 'b&c', ' d ']) bucket.objects.set(name, storedObject(1));
  const { send } = memoryRouter(new Map([['bucket', bucket]]));
  const body =
    '<Delete><Object><Key>a</Key></Object><Object><Key>b&amp;c</Key></Object><Object><Key> d </Key></Object><Object><Key>never</Key></Object>' +
    `<Object><Key>v</Key><VersionId>7</VersionId></Object><Object><Key>n</Key><VersionId>null</VersionId></Object><Object><Key>${'k'.repeat(1025)}</Key></Object></Delete>`;
  const reply = await send(controlRequest('POST', '/bucket?delete', { body, headers: { 'content-md5': md5(body) } }));
  const document = documentOf(reply) as Record<string, Record<string, string>[]>;
  assert.deepEqual(
    document['Deleted']?.map((row) => row['Key']),
    ['a', 'b&amp;c', ' d ', 'never', 'n'].map((name) => name.replace('&amp;', '&')),
  );
  assert.deepEqual(
    document['Error']?.map((row) => [row['Key']?.slice(0, 1), row['Code']]),
    [
      ['v', 'NotImplemented'],
      ['k', 'KeyTooLongError'],
    ],
  );
  assert.equal(bucket.objects.size, 0);
});

test('DeleteObjects deletes a key with an ETag only where the object has it', async () => {
  const bucket = emptyBucket();
  for (const name of ['same', 'other', 'any']) bucket.objects.set(name, storedObject(1));
  const { send } = memoryRouter(new Map([['bucket', bucket]]));
  const { etag } = storedObject(1);
  const objects = [
    ['same', `&quot;${etag}&quot;`],
    ['other', 'f'.repeat(32)],
    ['any', '*'],
    ['never', etag],
  ].map(([key, text]) => `<Object><Key>${key}</Key><ETag>${text}</ETag></Object>`);
  const body = `<Delete>${objects.join('')}</Delete>`;
  const reply = await send(controlRequest('POST', '/bucket?delete', { body, headers: { 'content-md5': md5(body) } }));
  const document = documentOf(reply) as Record<string, Record<string, string>[]>;
  assert.deepEqual(
    document['Deleted']?.map((row) => row['Key']),
    ['same', 'any'],
  );
  assert.deepEqual(
    document['Error']?.map((row) => [row['Key'], row['Code']]),
    [
      ['other', 'PreconditionFailed'],
      ['never', 'NoSuchKey'],
    ],
  );
  assert.deepEqual([...bucket.objects.keys()], ['other']);
});

test('DeleteObjects is silent about successes when asked to be quiet', async () => {
  const { send } = memoryRouter(new Map([['bucket', emptyBucket()]]));
  const body = '<Delete><Quiet>true</Quiet><Object><Key>a</Key></Object></Delete>';
  const reply = await send(controlRequest('POST', '/bucket?delete', { body, headers: { 'x-amz-checksum-crc32': 'AAAAAA==' } }));
  assert.deepEqual([reply.status, /Deleted/.test(reply.body)], [200, false]);
});

for (const [name, options, code] of [
  ['no integrity header', { body: '<Delete><Object><Key>a</Key></Object></Delete>' }, 'InvalidRequest'],
  ['a wrong MD5', { body: '<Delete/>', headers: { 'content-md5': md5('other') } }, 'BadDigest'],
  ['an MD5 that is none', { body: '<Delete/>', headers: { 'content-md5': 'x' } }, 'InvalidDigest'],
  ['no object', { body: '<Delete></Delete>', headers: { 'content-md5': md5('<Delete></Delete>') } }, 'MalformedXML'],
  [
    'more than 1000 objects',
    { body: `<Delete>${'<Object><Key>a</Key></Object>'.repeat(1001)}</Delete>`, headers: { 'x-amz-checksum-sha256': 'x' } },
    'MalformedXML',
  ],
] as const) {
  test(`DeleteObjects with ${name} is ${code} and deletes nothing`, async () => {
    const bucket = emptyBucket();
    bucket.objects.set('a', storedObject(1));
    const reply = await memoryRouter(new Map([['bucket', bucket]])).send(controlRequest('POST', '/bucket?delete', options));
    assert.deepEqual([documentOf(reply)['Code'], bucket.objects.size], [code, 1]);
  });
}

test('a multipart upload goes from create over its parts to complete', async () => {
  const bucket = emptyBucket();
  const { send } = memoryRouter(new Map([['bucket', bucket]]));
  const headers = {
    'content-type': 'text/plain',
    'content-encoding': 'aws-chunked, gzip',
    'x-amz-meta-a': '1',
    'x-amz-checksum-algorithm': 'crc32',
  };
  const created = await send(controlRequest('POST', '/bucket/dir/key?uploads', { headers }));
  const { UploadId: upload, Key } = documentOf(created) as Record<string, string>;
  assert.deepEqual([created.status, Key, created.headers['x-amz-checksum-algorithm']], [200, 'dir/key', 'CRC32']);
  const record = bucket.uploads.get(upload ?? '');
  assert.deepEqual(record?.metadata, [
    ['content-encoding', 'gzip'],
    ['content-type', 'text/plain'],
    ['x-amz-meta-a', '1'],
    ['x-amz-checksum-algorithm', 'CRC32'],
    ['x-amz-checksum-type', 'COMPOSITE'],
  ]);
  for (const number of [3, 1, 2]) record?.parts.set(number, storedObject(number));

  const page = documentOf(await send(controlRequest('GET', `/bucket/dir/key?uploadId=${upload}&max-parts=2`))) as Record<string, string>;
  assert.deepEqual([page['IsTruncated'], page['NextPartNumberMarker']], ['true', '2']);
  const rest = documentOf(await send(controlRequest('GET', `/bucket/dir/key?uploadId=${upload}&part-number-marker=2`))) as Record<
    string,
    Record<string, string>[]
  >;
  assert.deepEqual(
    rest['Part']?.map((row) => [row['PartNumber'], row['Size'], row['ETag']]),
    [['3', '3', `"${storedObject(3).etag}"`]],
  );

  const body = `<CompleteMultipartUpload xmlns="http://s3.amazonaws.com/doc/2006-03-01/">${[1, 2, 3]
    .map(
      (number) =>
        `<Part><ChecksumCRC32>x</ChecksumCRC32><ETag>&quot;${storedObject(number).etag}&quot;</ETag><PartNumber>${number}</PartNumber></Part>`,
    )
    .join('\n')}</CompleteMultipartUpload>`;
  const wrongSize = await send(
    controlRequest('POST', `/bucket/dir/key?uploadId=${upload}`, { body, headers: { 'x-amz-mp-object-size': '7' } }),
  );
  assert.match(wrongSize.body, /&quot;7&quot;, but the parts have 6 bytes/);
  const completed = await send(
    controlRequest('POST', `/bucket/dir/key?uploadId=${upload}`, { body, headers: { 'x-amz-mp-object-size': '6' } }),
  );
  assert.deepEqual(documentOf(completed), {
    Location: 'http://127.0.0.1:9000/bucket/dir/key',
    Bucket: 'bucket',
    Key: 'dir/key',
    ETag: `"${'c'.repeat(32)}-3"`,
  });
  assert.equal(bucket.objects.get('dir/key')?.size, 6);
});

const part = (number: number | string, etag = storedObject(1).etag): string =>
  `<Part><PartNumber>${number}</PartNumber><ETag>"${etag}"</ETag></Part>`;
for (const [name, body, code] of [
  ['no part', '<CompleteMultipartUpload></CompleteMultipartUpload>', 'MalformedXML'],
  ['parts out of order', `<CompleteMultipartUpload>${part(2)}${part(1)}</CompleteMultipartUpload>`, 'InvalidPartOrder'],
  ['the same part twice', `<CompleteMultipartUpload>${part(1)}${part(1)}</CompleteMultipartUpload>`, 'InvalidPartOrder'],
  ['part 0', `<CompleteMultipartUpload>${part(0)}</CompleteMultipartUpload>`, 'InvalidPart'],
  ['part 10001', `<CompleteMultipartUpload>${part(10001)}</CompleteMultipartUpload>`, 'InvalidPart'],
  ['a number that is none', `<CompleteMultipartUpload>${part('x')}</CompleteMultipartUpload>`, 'MalformedXML'],
  ['an ETag that is none', `<CompleteMultipartUpload>${part(1, 'x')}</CompleteMultipartUpload>`, 'InvalidPart'],
  ['a part that is not there', `<CompleteMultipartUpload>${part(9)}</CompleteMultipartUpload>`, 'InvalidPart'],
] as const) {
  test(`CompleteMultipartUpload with ${name} is ${code} and leaves the upload`, async () => {
    const bucket = emptyBucket();
    const { send } = memoryRouter(new Map([['bucket', bucket]]));
    const upload = documentOf(await send(controlRequest('POST', '/bucket/key?uploads')))['UploadId'];
    bucket.uploads.get(String(upload))?.parts.set(1, storedObject(1));
    const reply = await send(controlRequest('POST', `/bucket/key?uploadId=${String(upload)}`, { body }));
    assert.deepEqual([documentOf(reply)['Code'], bucket.uploads.size, bucket.objects.size], [code, 1, 0]);
  });
}

test('conditions of CompleteMultipartUpload are passed on', async () => {
  const bucket = emptyBucket();
  bucket.objects.set('key', storedObject(1));
  const { send } = memoryRouter(new Map([['bucket', bucket]]));
  const upload = documentOf(await send(controlRequest('POST', '/bucket/key?uploads')))['UploadId'];
  const body = `<CompleteMultipartUpload>${part(1)}</CompleteMultipartUpload>`;
  const complete = (headers: Record<string, string>) =>
    send(controlRequest('POST', `/bucket/key?uploadId=${String(upload)}`, { body, headers }));
  assert.equal((await complete({ 'if-none-match': '*' })).status, 412);
  assert.equal((await complete({ 'if-none-match': '"x"' })).status, 501);
});

test('AbortMultipartUpload ends an upload once, and no id that was never given', async () => {
  const { send } = memoryRouter(new Map([['bucket', emptyBucket()]]));
  const upload = documentOf(await send(controlRequest('POST', '/bucket/key?uploads')))['UploadId'];
  assert.equal((await send(controlRequest('DELETE', `/bucket/key?uploadId=${String(upload)}`))).status, 204);
  for (const id of [String(upload), 'x', '../x', '']) {
    assert.equal(documentOf(await send(controlRequest('DELETE', `/bucket/key?uploadId=${id}`)))['Code'], 'NoSuchUpload', id);
  }
});

test('metadata above 2 KiB and unknown checksums are refused', async () => {
  const { send } = memoryRouter(new Map([['bucket', emptyBucket()]]));
  const large = await send(controlRequest('POST', '/bucket/key?uploads', { headers: { 'x-amz-meta-a': 'x'.repeat(2048) } }));
  assert.equal(documentOf(large)['Code'], 'MetadataTooLarge');
  const unknown = await send(controlRequest('POST', '/bucket/key?uploads', { headers: { 'x-amz-checksum-algorithm': 'MD4' } }));
  assert.equal(documentOf(unknown)['Code'], 'InvalidRequest');
});

function uploadsOf(page: Record<string, unknown>): readonly Record<string, string>[] {
  return (page['Upload'] ?? []) as Record<string, string>[];
}

test('uploads under way are listed by key and id, in pages, with common prefixes', async () => {
  const bucket = emptyBucket();
  const { send } = memoryRouter(new Map([['bucket', bucket]]));
  const ids = new Map<string, string>();
  for (const key of ['a', 'dir/x', 'dir/y', 'z', 'a']) {
    const created = documentOf(await send(controlRequest('POST', `/bucket/${key}?uploads`))) as Record<string, string>;
    ids.set(created['UploadId'] ?? '', key);
  }
  const list = async (query: string): Promise<Record<string, unknown>> =>
    documentOf(await send(controlRequest('GET', `/bucket?uploads${query}`)));
  const seen: string[] = [];
  let marker = '';
  for (let pages = 0; pages < 9; pages++) {
    const page = await list(`&max-uploads=2${marker}`);
    for (const row of uploadsOf(page)) {
      assert.equal(ids.get(row['UploadId'] ?? ''), row['Key']);
      seen.push(row['Key'] ?? '');
    }
    if (page['IsTruncated'] === 'false') break;
    marker = `&key-marker=${String(page['NextKeyMarker'])}&upload-id-marker=${String(page['NextUploadIdMarker'])}`;
  }
  assert.deepEqual(seen, ['a', 'a', 'dir/x', 'dir/y', 'z']);
  const grouped = await list('&delimiter=/&encoding-type=url');
  assert.deepEqual(
    uploadsOf(grouped).map((row) => row['Key']),
    ['a', 'a', 'z'],
  );
  assert.deepEqual(grouped['CommonPrefixes'], [{ Prefix: 'dir/' }]);
  const behind = await list('&delimiter=/&key-marker=dir/');
  assert.deepEqual(
    uploadsOf(behind).map((row) => row['Key']),
    ['z'],
  );
  assert.equal((await send(controlRequest('GET', '/none?uploads'))).status, 404);
  assert.equal(uploadsOf(await list('&max-uploads=0')).length, 0);
});
