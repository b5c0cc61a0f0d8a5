/** The edges of the S3 API against a whole cluster: one bucket, requests made by hand, and what AWS documents as the answer. */
import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { after, before, test } from 'node:test';
import { crc32 } from 'node:zlib';
import { startCluster, type TestCluster } from './cluster.ts';
import { type Parts, type RawClient, type Reply, rawClient, signedChunks } from './signed-request.ts';

const BUCKET = '/edge-cases';
const DIGITS = '0123456789';
const OTHER_ETAG = `"${'0'.repeat(32)}"`;
let cluster: TestCluster;
let client: RawClient;

before(async () => {
  cluster = await startCluster();
  await cluster.waitHealthy();
  client = rawClient(cluster.env);
  await expect('200', 'PUT', BUCKET);
  await expect('200', 'PUT', `${BUCKET}/digits`, { body: DIGITS });
});
after(async () => {
  client?.[Symbol.dispose]();
  await cluster?.[Symbol.asyncDispose]();
});

/** Sends and compares status and error code, written as `404 NoSuchKey`; replies to HEAD have no code. */
async function expect(answer: string, method: string, path: string, parts: Parts = {}): Promise<Reply> {
  const reply = await client.send(method, path, parts);
  const got = `${reply.status} ${reply.code}`.trim();
  const wanted = method === 'HEAD' ? answer.slice(0, 3) : answer;
  assert.equal(
    got,
    wanted,
    `${method} ${path}?${parts.query ?? ''} ${JSON.stringify(parts.headers ?? {})}: ${reply.body.subarray(0, 300)}`,
  );
  return reply;
}

const encodePath = (key: string): string =>
  [...Buffer.from(key)].map((byte) => (/[\w./~-]/.test(String.fromCharCode(byte)) ? String.fromCharCode(byte) : hexEscape(byte))).join('');
const hexEscape = (byte: number): string => `%${byte.toString(16).toUpperCase().padStart(2, '0')}`;
const inByteOrder = (names: readonly string[]): string[] =>
  names.toSorted((left, right) => Buffer.compare(Buffer.from(left), Buffer.from(right)));
const textOf = (reply: Reply, element: string): string[] =>
  [...reply.body.toString('utf8').matchAll(new RegExp(`<${element}>([^<]*)</${element}>`, 'g'))].map((match) => match[1] ?? '');

test('every key of 1 to 1024 bytes is its own object, and lists show it once', async () => {
  const names = [
    'a b',
    'a+b',
    'a%b',
    'a%2Fb',
    'a//b',
    '/lead',
    '../x',
    'x/..',
    '.',
    '..',
    'a/',
    '\u0001\u0002',
    'line\nfeed',
    '&<>"\'',
  ].concat(['a?b#c', 'back\\slash', '\u{1f600}', 'e\u0301', '\u00e9', 'x'.repeat(1019), '\u00e9'.repeat(509), '.openlake', ' ']);
  const keys = names.map((name) => `keys/${name}`);
  await Promise.all(keys.map(async (key) => expect('200', 'PUT', `${BUCKET}/${encodePath(key)}`, { body: key })));
  for (const key of keys) {
    const reply = await expect('200', 'GET', `${BUCKET}/${encodePath(key)}`);
    assert.equal(reply.body.toString('utf8'), key);
  }
  const list = await expect('200', 'GET', BUCKET, { query: 'list-type=2&prefix=keys%2F&encoding-type=url' });
  assert.deepEqual(textOf(list, 'Key').map(decodeURIComponent), inByteOrder(keys));
  await expect('400 KeyTooLongError', 'PUT', `${BUCKET}/${'x'.repeat(1025)}`, { body: 'x' });
  await expect('400 KeyTooLongError', 'GET', `${BUCKET}/${encodePath('\u00e9'.repeat(513))}`);
});

test('ranges: satisfiable, cut to the object, beyond it, and those that are ignored', async () => {
  await expect('200', 'PUT', `${BUCKET}/empty`);
  const served = [
    ['bytes=0-0', '0', '0-0'],
    ['bytes=5-100', '56789', '5-9'],
    ['bytes=-3', '789', '7-9'],
    ['bytes=-100', DIGITS, '0-9'],
  ] as const;
  for (const [range, body, span] of served) {
    const reply = await expect('206', 'GET', `${BUCKET}/digits`, { headers: { range } });
    assert.deepEqual([reply.body.toString(), reply.headers['content-range']], [body, `bytes ${span}/10`]);
  }
  for (const range of ['bytes=10-', 'bytes=-0', 'bytes=99999999999999999999-']) {
    const reply = await expect('416 InvalidRange', 'GET', `${BUCKET}/digits`, { headers: { range } });
    assert.equal(reply.headers['content-range'], 'bytes */10');
    await expect('416', 'HEAD', `${BUCKET}/digits`, { headers: { range } });
  }
  await expect('416 InvalidRange', 'GET', `${BUCKET}/empty`, { headers: { range: 'bytes=0-' } });
  for (const range of ['bytes=5-2', 'bytes=0-1,3-4', 'bytes=-', 'lines=0-1']) {
    assert.equal((await expect('200', 'GET', `${BUCKET}/digits`, { headers: { range } })).body.toString(), DIGITS, range);
  }
});

test('conditions of reads and writes', async () => {
  const etag = String((await expect('200', 'HEAD', `${BUCKET}/digits`)).headers['etag']);
  const past = 'Mon, 01 Jan 2001 00:00:00 GMT';
  const table: readonly (readonly [string, Readonly<Record<string, string>>])[] = [
    ['200', { 'if-match': etag.replaceAll('"', '') }],
    ['200', { 'if-match': `${OTHER_ETAG}, ${etag}` }],
    ['412 PreconditionFailed', { 'if-match': OTHER_ETAG }],
    ['200', { 'if-match': etag, 'if-unmodified-since': past }],
    ['412 PreconditionFailed', { 'if-unmodified-since': past }],
    ['304', { 'if-none-match': `${OTHER_ETAG},W/${etag}` }],
    ['304', { 'if-none-match': '*' }],
    ['200', { 'if-none-match': OTHER_ETAG, 'if-modified-since': 'Fri, 01 Jan 2038 00:00:00 GMT' }],
    ['304', { 'if-none-match': etag, range: 'bytes=20-' }],
  ];
  for (const [answer, headers] of table) {
    await expect(answer, 'GET', `${BUCKET}/digits`, { headers });
    await expect(answer, 'HEAD', `${BUCKET}/digits`, { headers });
  }
  await expect('412 PreconditionFailed', 'PUT', `${BUCKET}/digits`, { headers: { 'if-none-match': '*' }, body: 'x' });
  await expect('412 PreconditionFailed', 'PUT', `${BUCKET}/digits`, { headers: { 'if-match': OTHER_ETAG }, body: 'x' });
  await expect('404 NoSuchKey', 'PUT', `${BUCKET}/absent`, { headers: { 'if-match': OTHER_ETAG }, body: 'x' });
});

test('a sub-resource that is not built answers NotImplemented on every method and changes nothing', async () => {
  const names = [
    'acl',
    'policy',
    'tagging',
    'versioning',
    'lifecycle',
    'cors',
    'encryption',
    'object-lock',
    'retention',
    'versionId=x',
    'invented',
  ];
  for (const query of names) {
    for (const method of ['GET', 'PUT', 'POST', 'DELETE']) {
      await expect('501 NotImplemented', method, BUCKET, { query });
      await expect('501 NotImplemented', method, `${BUCKET}/digits`, { query });
    }
  }
  await expect('501 NotImplemented', 'PUT', `${BUCKET}/copy`, { headers: { 'x-amz-copy-source': `${BUCKET}/digits` } });
  await expect('404 NoSuchKey', 'GET', `${BUCKET}/copy`);
  assert.equal((await expect('200', 'GET', `${BUCKET}/digits`)).body.toString(), DIGITS);
});

test('signatures: region, service, clock, anonymous and altered requests', async () => {
  const path = `${BUCKET}/digits`;
  await expect('400 AuthorizationHeaderMalformed', 'GET', path, { region: 'eu-west-1' });
  await expect('400 AuthorizationHeaderMalformed', 'GET', path, { service: 'ec2' });
  await expect('403 RequestTimeTooSkewed', 'GET', path, { skewSeconds: -1200 });
  await expect('403 AccessDenied', 'GET', path, { tamper: (headers) => delete headers['authorization'] });
  await expect('403 AccessDenied', 'PUT', path, { body: 'x', tamper: (headers) => (headers['x-amz-meta-added'] = '1') });
  await expect('403 RequestTimeTooSkewed', 'GET', path, { skewSeconds: 1200 });
  await expect('403 SignatureDoesNotMatch', 'GET', path, {
    headers: { 'x-amz-meta-a': '1' },
    tamper: (headers) => (headers['x-amz-meta-a'] = '2'),
  });
  await expect('400 InvalidRequest', 'GET', path, { tamper: (headers) => (headers['authorization'] = 'AWS key:signature') });
});

test('bodies are stored only when they are what the headers promise', async () => {
  const body = randomBytes(70_001);
  const md5 = createHash('md5').update('other').digest('base64');
  const crc = crcOf(body);
  const path = `${BUCKET}/promised`;
  const streaming = (chunkBytes: number, broken?: number): Parts => ({
    payload: 'STREAMING-AWS4-HMAC-SHA256-PAYLOAD',
    headers: { 'content-encoding': 'aws-chunked', 'x-amz-decoded-content-length': String(body.length) },
    chunked: signedChunks(body, chunkBytes, broken),
  });
  const refused: readonly (readonly [string, Parts])[] = [
    ['400 BadDigest', { headers: { 'content-md5': md5 } }],
    ['400 InvalidDigest', { headers: { 'content-md5': 'x' } }],
    ['400 BadDigest', { headers: { 'x-amz-checksum-crc32': 'AAAAAA==' } }],
    ['400 InvalidRequest', { headers: { 'x-amz-checksum-crc32': 'x' } }],
    ['400 InvalidRequest', { headers: { 'x-amz-checksum-crc32': crc, 'x-amz-checksum-crc32c': 'AAAAAA==' } }],
    ['400 XAmzContentSHA256Mismatch', { payload: createHash('sha256').update('other').digest('hex') }],
    ['403 SignatureDoesNotMatch', streaming(8192, 3)],
    ['403 SignatureDoesNotMatch', streaming(8192, 9)],
  ];
  for (const [answer, parts] of refused) await expect(answer, 'PUT', path, { body, ...parts });
  await expect('404 NoSuchKey', 'GET', path);
  for (const chunkBytes of [997, 8192, 100_000]) {
    await expect('200', 'PUT', path, streaming(chunkBytes));
    const reply = await expect('200', 'GET', path);
    assert.ok(reply.body.equals(body) && reply.headers['content-encoding'] === undefined, `chunks of ${chunkBytes} bytes`);
  }
});

const crcOf = (bytes: Buffer): string => {
  const value = Buffer.alloc(4);
  value.writeUInt32BE(crc32(bytes));
  return value.toString('base64');
};

test('batch deletes refuse what is no plain list of keys', async () => {
  const remove = async (answer: string, body: string): Promise<Reply> =>
    expect(answer, 'POST', BUCKET, { query: 'delete', body, headers: { 'content-md5': createHash('md5').update(body).digest('base64') } });
  const entities = '<!DOCTYPE x [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;&a;">]><Delete><Object><Key>&b;</Key></Object></Delete>';
  await remove('400 MalformedXML', entities);
  await remove('400 MalformedXML', `<Delete>${'<Object><Key>k</Key></Object>'.repeat(1001)}</Delete>`);
  await remove('400 MalformedXML', `<Delete>${'<a>'.repeat(10_000)}</Delete>`);
  await expect('400 InvalidRequest', 'POST', BUCKET, { query: 'delete', body: '<Delete><Object><Key>digits</Key></Object></Delete>' });
  assert.deepEqual(textOf(await remove('200', '<Delete><Object><Key>no&amp;where</Key></Object></Delete>'), 'Key'), ['no&amp;where']);
  assert.equal((await expect('200', 'GET', `${BUCKET}/digits`)).body.toString(), DIGITS);
});

test('lists: limits, and pages of keys and prefixes in byte order', async () => {
  const names = ['p/a', 'p/a/b', 'p/a::c', 'p/b//x', 'p/b//y', 'p/\uffee', 'p/\u{1f600}', 'p/z z', 'p/z+z'];
  await Promise.all(names.map(async (name) => expect('200', 'PUT', `${BUCKET}/${encodePath(name)}`, { body: name })));
  for (const [delimiter, wanted] of [
    ['', names.length],
    ['/', 8],
    ['::', 9],
    ['//', 8],
  ] as const) {
    const seen: string[] = [];
    let token = '';
    do {
      const query = `list-type=2&prefix=p%2F&max-keys=2&encoding-type=url&delimiter=${encodeURIComponent(delimiter)}${token}`;
      const reply = await expect('200', 'GET', BUCKET, { query });
      seen.push(...textOf(reply, 'Key'), ...textOf(reply, 'Prefix').filter((prefix) => decodeURIComponent(prefix) !== 'p/'));
      const next = textOf(reply, 'NextContinuationToken')[0];
      token = next === undefined ? '' : `&continuation-token=${encodeURIComponent(next)}`;
    } while (token !== '');
    assert.equal(new Set(seen).size, wanted, `delimiter "${delimiter}": ${seen.join(' ')}`);
    assert.equal(seen.length, wanted, 'a name came twice');
  }
  for (const [limit, shown] of [
    ['0', '0'],
    ['1001', '1000'],
    ['', '1000'],
  ] as const) {
    const reply = await expect('200', 'GET', BUCKET, { query: `max-keys=${limit}` });
    assert.deepEqual(textOf(reply, 'MaxKeys'), [shown]);
  }
  for (const query of ['max-keys=-1', 'max-keys=x', 'encoding-type=x', 'list-type=2&continuation-token=x']) {
    await expect('400 InvalidArgument', 'GET', BUCKET, { query });
  }
});

test('names of buckets', async () => {
  for (const name of ['ab', 'a'.repeat(64), 'Abc', 'a_b', '1.2.3.4', 'a..b', '-ab', 'ab-', 'a.-b', 'a-.b', 'xn--abc', 'abc-s3alias']) {
    await expect('400 InvalidBucketName', 'PUT', `/${name}`);
  }
  await expect('200', 'PUT', BUCKET);
  await expect('409 BucketNotEmpty', 'DELETE', BUCKET);
  await expect('404 NoSuchBucket', 'DELETE', '/no-such-bucket');
});

const FIVE_MIB = randomBytes(5 * 1024 * 1024);
type Uploaded = { readonly number: number; readonly etag: string; readonly crc: string };

async function begin(key: string, headers: Readonly<Record<string, string>> = {}): Promise<string> {
  const reply = await expect('200', 'POST', `${BUCKET}/${key}`, { query: 'uploads', headers });
  return textOf(reply, 'UploadId')[0] ?? '';
}

async function sendPart(key: string, upload: string, { number, body }: { number: number; body: Buffer }): Promise<Uploaded> {
  const query = `partNumber=${number}&uploadId=${upload}`;
  const reply = await expect('200', 'PUT', `${BUCKET}/${key}`, { query, body, headers: { 'x-amz-checksum-crc32': crcOf(body) } });
  return { number, etag: String(reply.headers['etag']), crc: crcOf(body) };
}

async function complete(
  answer: string,
  key: string,
  options: { upload: string; parts: readonly Uploaded[]; headers?: Record<string, string> },
): Promise<Reply> {
  const parts = options.parts.map(
    ({ number, etag, crc }) => `<Part><PartNumber>${number}</PartNumber><ETag>${etag}</ETag><ChecksumCRC32>${crc}</ChecksumCRC32></Part>`,
  );
  const body = `<CompleteMultipartUpload>${parts.join('')}</CompleteMultipartUpload>`;
  return expect(answer, 'POST', `${BUCKET}/${key}`, { query: `uploadId=${options.upload}`, body, headers: options.headers ?? {} });
}

test('multipart uploads: wrong lists of parts, repeated requests, single parts of the object', async () => {
  const key = 'parts';
  const upload = await begin(key);
  for (const number of ['0', '10001', 'x']) {
    await expect('400 InvalidArgument', 'PUT', `${BUCKET}/${key}`, { query: `partNumber=${number}&uploadId=${upload}`, body: 'x' });
  }
  const first = await sendPart(key, upload, { number: 1, body: FIVE_MIB });
  const replaced = await sendPart(key, upload, { number: 7, body: Buffer.from('old') });
  const last = await sendPart(key, upload, { number: 7, body: Buffer.from('new tail') });
  const small = await sendPart(key, upload, { number: 2, body: Buffer.from('small') });
  await complete('400 InvalidPartOrder', key, { upload, parts: [last, first] });
  await complete('400 InvalidPart', key, { upload, parts: [first, replaced] });
  await complete('400 InvalidPart', key, { upload, parts: [first, { ...last, crc: 'AAAAAA==' }] });
  await complete('400 EntityTooSmall', key, { upload, parts: [first, small, last] });
  await complete('400 MalformedXML', key, { upload, parts: [] });
  await complete('404 NoSuchKey', key, { upload, parts: [first, last], headers: { 'if-match': OTHER_ETAG } });
  await complete('200', key, { upload, parts: [first, last] });
  await complete('200', key, { upload, parts: [first, last] });
  await expect('404 NoSuchUpload', 'DELETE', `${BUCKET}/${key}`, { query: `uploadId=${upload}` });
  const whole = Buffer.concat([FIVE_MIB, Buffer.from('new tail')]);
  assert.ok((await expect('200', 'GET', `${BUCKET}/${key}`)).body.equals(whole));
  const tail = await expect('206', 'GET', `${BUCKET}/${key}`, { query: 'partNumber=7' });
  assert.equal(tail.body.toString(), 'new tail');
  assert.equal(tail.headers['x-amz-mp-parts-count'], '2');
  assert.equal(tail.headers['content-range'], `bytes ${FIVE_MIB.length}-${whole.length - 1}/${whole.length}`);
  const head = await expect('206', 'HEAD', `${BUCKET}/${key}`, { query: 'partNumber=1' });
  assert.equal(head.headers['content-length'], String(FIVE_MIB.length));
  await expect('416 InvalidPartNumber', 'GET', `${BUCKET}/${key}`, { query: 'partNumber=3' });
});

test('checksums of multipart objects, of both types', async () => {
  const tail = Buffer.from('tail');
  const whole = crcOf(Buffer.concat([FIVE_MIB, tail]));
  const values = Buffer.concat([crcOf(FIVE_MIB), crcOf(tail)].map((text) => Buffer.from(text, 'base64')));
  for (const [type, expected] of [
    ['FULL_OBJECT', whole],
    ['COMPOSITE', `${crcOf(values)}-2`],
  ] as const) {
    const key = `checksum-${type}`;
    const upload = await begin(key, { 'x-amz-checksum-algorithm': 'CRC32', 'x-amz-checksum-type': type });
    const parts = [await sendPart(key, upload, { number: 1, body: FIVE_MIB }), await sendPart(key, upload, { number: 2, body: tail })];
    const listed = await expect('200', 'GET', `${BUCKET}/${key}`, { query: `uploadId=${upload}` });
    assert.deepEqual(textOf(listed, 'ChecksumCRC32'), [crcOf(FIVE_MIB), crcOf(tail)]);
    await complete('400 BadDigest', key, { upload, parts, headers: { 'x-amz-checksum-crc32': 'AAAAAA==' } });
    const done = await complete('200', key, { upload, parts, headers: { 'x-amz-checksum-crc32': expected } });
    assert.deepEqual([textOf(done, 'ChecksumCRC32'), textOf(done, 'ChecksumType')], [[expected], [type]]);
    const asked = await expect('200', 'HEAD', `${BUCKET}/${key}`, { headers: { 'x-amz-checksum-mode': 'ENABLED' } });
    assert.deepEqual([asked.headers['x-amz-checksum-crc32'], asked.headers['x-amz-checksum-type']], [expected, type]);
    assert.equal((await expect('200', 'HEAD', `${BUCKET}/${key}`)).headers['x-amz-checksum-crc32'], undefined);
  }
  for (const [algorithm, type] of [
    ['CRC64NVME', 'COMPOSITE'],
    ['SHA256', 'FULL_OBJECT'],
    ['MD5', 'COMPOSITE'],
  ] as const) {
    const headers = { 'x-amz-checksum-algorithm': algorithm, 'x-amz-checksum-type': type };
    await expect('400 InvalidRequest', 'POST', `${BUCKET}/refused`, { query: 'uploads', headers });
  }
});

test('an object that is overwritten while it is read is read whole, as one version', async () => {
  const path = `${BUCKET}/overwritten`;
  const size = 4 * 1024 * 1024;
  await expect('200', 'PUT', path, { body: Buffer.alloc(size) });
  const write = async (): Promise<void> => {
    for (let fill = 1; fill < 8; fill += 1) await expect('200', 'PUT', path, { body: Buffer.alloc(size, fill) });
  };
  const read = async (): Promise<void> => {
    for (let turn = 0; turn < 6; turn += 1) {
      const { body } = await expect('200', 'GET', path);
      assert.ok(body.equals(Buffer.alloc(size, body[0])), `${body.length} bytes of more than one version`);
    }
  };
  await Promise.all([write(), read(), read(), read()]);
});

test('a hundred clients at once, and connections that go on after errors', async () => {
  await Promise.all(
    Array.from({ length: 100 }, async (_, index) => {
      using own = rawClient(cluster.env);
      const path = `${BUCKET}/crowd/${index}`;
      const body = randomBytes(index * 700);
      assert.equal((await own.send('PUT', path, { body })).status, 200);
      assert.equal((await own.send('PUT', path, { body, headers: { 'if-none-match': '*' } })).status, 412);
      assert.equal((await own.send('PUT', path, { query: 'acl', body })).status, 501);
      assert.ok((await own.send('GET', path)).body.equals(body));
      assert.equal((await own.send('DELETE', path)).status, 204);
      assert.equal((await own.send('GET', path)).status, 404);
    }),
  );
  const race = await Promise.all(
    Array.from({ length: 30 }, async (_, index) =>
      client.send('PUT', `${BUCKET}/race`, { headers: { 'if-none-match': '*' }, body: String(index) }),
    ),
  );
  assert.equal(race.filter((reply) => reply.status === 200).length, 1);
  assert.ok(race.every((reply) => [200, 409, 412].includes(reply.status)));
});
