/** Both lists against a model: every page, in every form, shows what a look at all keys at once shows. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { decodeToken, encodeToken } from '../../../node/s3/continuation-token.ts';
import { listContents } from '../../../node/s3/listing.ts';
import { compareBytes, listNames, storedObject } from './memory-primitives.ts';
import { controlRequest, documentOf, emptyBucket, memoryRouter } from './s3-fixture.ts';

type Entries = readonly Record<string, string>[] | undefined;

const part = fc.constantFrom('a', 'b', '/', 'ab', 'é', '😀', '\uffee', ' ', '+', '%2F', '&', '\u0001', '//', '~');
const key = fc.array(part, { minLength: 1, maxLength: 4 }).map((parts) => parts.join(''));
const scenario = fc.record({
  keys: fc.uniqueArray(key, { maxLength: 30 }),
  prefix: fc.oneof(fc.constant(''), part),
  delimiter: fc.constantFrom('', '/', 'b', '//'),
  maxKeys: fc.integer({ min: 1, max: 7 }),
  after: fc.oneof(fc.constant(''), key),
  encoded: fc.boolean(),
});

function routerOver(keys: readonly string[]): ReturnType<typeof memoryRouter> {
  const bucket = emptyBucket();
  keys.forEach((name, index) => bucket.objects.set(name, storedObject(index)));
  return memoryRouter(new Map([['bucket', bucket]]));
}

function target(parameters: Readonly<Record<string, string>>): string {
  return `/bucket?${new URLSearchParams(parameters).toString()}`;
}

for (const form of ['ListObjectsV2', 'ListObjects'] as const) {
  test(`pages of ${form} together show every name once, in byte order`, async () => {
    await fc.assert(
      fc.asyncProperty(scenario, async ({ keys, prefix, delimiter, maxKeys, after, encoded }) => {
        const { send } = routerOver(keys);
        const decode = encoded ? decodeURIComponent : (text: string) => text;
        const seen: string[] = [];
        let from: Record<string, string> = form === 'ListObjectsV2' ? { 'list-type': '2', 'start-after': after } : { marker: after };
        for (let page = 0; ; page += 1) {
          assert.ok(page <= keys.length, 'the list does not end');
          const parameters = { prefix, delimiter, 'max-keys': String(maxKeys), ...(encoded ? { 'encoding-type': 'url' } : {}), ...from };
          const document = documentOf(await send(controlRequest('GET', target(parameters))));
          const contents = ((document['Contents'] as Entries) ?? []).map((entry) => decode(entry['Key'] ?? ''));
          const prefixes = ((document['CommonPrefixes'] as Entries) ?? []).map((entry) => decode(entry['Prefix'] ?? ''));
          const names = [...contents, ...prefixes].toSorted(compareBytes);
          assert.ok(names.length <= maxKeys);
          if (form === 'ListObjectsV2') assert.equal(document['KeyCount'], String(names.length));
          seen.push(...names);
          if (document['IsTruncated'] === 'false') break;
          const marker = document['NextMarker'];
          from =
            form === 'ListObjectsV2'
              ? { 'list-type': '2', 'continuation-token': String(document['NextContinuationToken']) }
              : { marker: typeof marker === 'string' ? decode(marker) : (contents.at(-1) ?? '') };
        }
        const expected = listNames(keys, { prefix, delimiter, after }).map((name) => name.text);
        assert.deepEqual(seen, expected);
      }),
    );
  });
}

test('a page shows what AWS shows', async () => {
  const { send } = routerOver(['a b', 'dir/x', 'dir/y']);
  const reply = await send(
    controlRequest('GET', target({ 'list-type': '2', delimiter: '/', 'encoding-type': 'url', 'fetch-owner': 'true', 'max-keys': '1' })),
  );
  assert.equal(reply.status, 200);
  assert.deepEqual(documentOf(reply), {
    Name: 'bucket',
    Prefix: '',
    Delimiter: '/',
    MaxKeys: '1',
    EncodingType: 'url',
    KeyCount: '1',
    IsTruncated: 'true',
    NextContinuationToken: encodeToken(Buffer.from('a b')),
    Contents: [
      {
        Key: 'a%20b',
        LastModified: '2023-11-14T22:13:20.000Z',
        ETag: `"${'0'.repeat(32)}"`,
        Size: '0',
        Owner: { ID: 'owner-id', DisplayName: 'owner' },
        StorageClass: 'STANDARD',
      },
    ],
  });
});

test('max-keys of 0 is an empty page, more than 1000 is 1000, anything else is refused', async () => {
  const { send } = routerOver(['a']);
  const empty = documentOf(await send(controlRequest('GET', target({ 'list-type': '2', 'max-keys': '0' }))));
  assert.deepEqual([empty['KeyCount'], empty['IsTruncated'], empty['MaxKeys']], ['0', 'false', '0']);
  const large = documentOf(await send(controlRequest('GET', target({ 'list-type': '2', 'max-keys': '5000' }))));
  assert.equal(large['MaxKeys'], '1000');
  for (const value of ['-1', 'x', '1.5', '2147483648']) {
    const reply = await send(controlRequest('GET', target({ 'max-keys': value })));
    assert.equal(documentOf(reply)['Code'], 'InvalidArgument', value);
  }
});

test('a foreign continuation token or encoding is refused', async () => {
  const { send } = routerOver([]);
  for (const parameters of [
    { 'continuation-token': 'x' },
    { 'continuation-token': '' },
    { 'continuation-token': 'AGE' },
    { 'encoding-type': 'base64' },
  ]) {
    const reply = await send(controlRequest('GET', target({ 'list-type': '2', ...(parameters as Record<string, string>) })));
    assert.equal(documentOf(reply)['Code'], 'InvalidArgument', JSON.stringify(parameters));
  }
});

test('a list of a bucket that is not there is NoSuchBucket, however short', async () => {
  const { send } = memoryRouter();
  for (const query of ['list-type=2', 'list-type=2&max-keys=0', `prefix=${'x'.repeat(2000)}`]) {
    assert.equal(documentOf(await send(controlRequest('GET', `/bucket?${query}`)))['Code'], 'NoSuchBucket', query);
  }
});

test('tokens decode to the place they were made of', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 1025 }), (place) => {
      assert.deepEqual(decodeToken(encodeToken(Buffer.from(place))), Buffer.from(place));
    }),
  );
});

test('times of a list are those of a date, to the millisecond', () => {
  // Near each other as in a list, over days, and as far as a clock of 48 bits reaches.
  const near = fc.record({ start: fc.nat(2 ** 41), steps: fc.array(fc.nat(100_000_000), { maxLength: 20 }) });
  const far = fc.array(fc.nat(2 ** 48 - 1), { maxLength: 5 });
  fc.assert(
    fc.property(near, far, ({ start, steps }, others) => {
      const times = [...steps.map((step) => start + step), ...others];
      const rows = times.map((lastModifiedMs, index) => ({ key: `key ${index}`, size: 1, etag: '', lastModifiedMs }));
      const text = listContents({ rows, prefixes: [], next: undefined }, { encode: (name) => name });
      const seen = [...text.matchAll(/<LastModified>(.*?)<\/LastModified>/g)].map(([, time]) => time);
      assert.deepEqual(
        seen,
        times.map((time) => new Date(time).toISOString()),
      );
    }),
  );
});
