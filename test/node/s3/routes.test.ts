/** Which requests are which operation, and that everything else is none. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { findOperation } from '../../../node/s3/routes.ts';
import { controlRequest, memoryRouter } from './s3-fixture.ts';

const UPLOAD = 'abababababababababababababababab';

const known: readonly [string, string, string][] = [
  ['GET', '/', 'ListBuckets'],
  ['GET', '/?x-id=ListBuckets', 'ListBuckets'],
  ['GET', '/?max-buckets=2&continuation-token=x&prefix=a', 'ListBuckets'],
  ['PUT', '/b', 'CreateBucket'],
  ['HEAD', '/b', 'HeadBucket'],
  ['GET', '/b?location', 'GetBucketLocation'],
  ['DELETE', '/b', 'DeleteBucket'],
  ['GET', '/b?list-type=2', 'ListObjectsV2'],
  [
    'GET',
    '/b?list-type=2&prefix=a&delimiter=/&max-keys=3&start-after=x&continuation-token=y&encoding-type=url&fetch-owner=true',
    'ListObjectsV2',
  ],
  ['GET', '/b', 'ListObjects'],
  ['GET', '/b?prefix=a&delimiter=/&marker=m&max-keys=3&encoding-type=url', 'ListObjects'],
  ['GET', '/b?X-Amz-Signature=1&X-Amz-Expires=5', 'ListObjects'],
  ['POST', '/b?delete', 'DeleteObjects'],
  ['POST', '/b?delete=&x-id=DeleteObjects', 'DeleteObjects'],
  ['GET', '/b?uploads', 'ListMultipartUploads'],
  ['GET', '/b?uploads&prefix=a&delimiter=/&key-marker=k&upload-id-marker=u&max-uploads=3&encoding-type=url', 'ListMultipartUploads'],
  ['POST', '/b/k?uploads', 'CreateMultipartUpload'],
  ['POST', `/b/k?uploadId=${UPLOAD}`, 'CompleteMultipartUpload'],
  ['DELETE', `/b/k?uploadId=${UPLOAD}`, 'AbortMultipartUpload'],
  ['GET', `/b/k?uploadId=${UPLOAD}&max-parts=1&part-number-marker=2`, 'ListParts'],
];

for (const [method, target, operation] of known) {
  test(`${method} ${target} is ${operation}`, () => {
    assert.equal(findOperation(controlRequest(method, target)), operation);
  });
}

const subresources =
  'accelerate acl analytics cors encryption intelligent-tiering inventory lifecycle logging metrics notification object-lock ' +
  'ownershipControls policy policyStatus publicAccessBlock replication requestPayment tagging uploads versioning versions website ' +
  'session legal-hold retention torrent select attributes restore rename metadataTable versionId';

test('every other sub-resource is no operation, with any method on any target', () => {
  for (const name of subresources.split(' ')) {
    for (const method of ['GET', 'PUT', 'POST', 'DELETE', 'HEAD']) {
      for (const target of ['/', '/b', '/b/k']) {
        if (name === 'uploads' && ['POST /b/k', 'GET /b'].includes(`${method} ${target}`)) continue;
        assert.equal(findOperation(controlRequest(method, `${target}?${name}`)), undefined, `${method} ${target}?${name}`);
      }
    }
  }
});

test('an unknown parameter beside a known one makes it no operation', () => {
  fc.assert(
    fc.property(fc.constantFrom(...known), fc.stringMatching(/^[a-zA-Z][a-zA-Z0-9-]{0,12}$/), ([method, target], name) => {
      fc.pre(!/^x-(id|amz-.*)$/i.test(name) && !new RegExp(`[?&]${name}\\b`).test(target));
      const request = controlRequest(method, `${target}${target.includes('?') ? '&' : '?'}${name}=1`);
      const alone = findOperation(controlRequest(method, target));
      const together = findOperation(request);
      // Only a parameter that some form of the same operation knows may be added.
      assert.ok(together === undefined || together === alone || together.startsWith('List'));
    }),
  );
});

test('what is no operation answers NotImplemented and changes nothing', async () => {
  const buckets = new Map();
  const { send, outcomes } = memoryRouter(buckets);
  await send(controlRequest('PUT', '/bucket'));
  for (const [method, target] of [
    ['DELETE', '/bucket?lifecycle'],
    ['PUT', '/bucket?acl'],
    ['PUT', '/bucket/key'],
    ['DELETE', '/bucket/key?versionId=1'],
    ['OPTIONS', '/bucket'],
    ['POST', '/bucket?invented'],
  ] as const) {
    const reply = await send(controlRequest(method, target));
    assert.equal(reply.status, 501, `${method} ${target}`);
    assert.match(reply.body, /<Code>NotImplemented<\/Code>.*<Resource>\/bucket/);
    assert.equal(outcomes.at(-1)?.operation, 'NotImplemented');
  }
  assert.deepEqual([...buckets.keys()], ['bucket']);
});

test('the reserved bucket is refused by name', async () => {
  const { send } = memoryRouter();
  for (const [method, target] of [
    ['PUT', '/.openlake'],
    ['GET', '/.openlake?list-type=2'],
    ['POST', '/.openlake/k?uploads'],
    ['DELETE', '/.openlake'],
  ] as const) {
    const reply = await send(controlRequest(method, target));
    assert.equal(reply.status, 403, `${method} ${target}`);
  }
});

test('a header that asks for what is not there is refused, whatever the operation', async () => {
  const { send } = memoryRouter();
  for (const [name, value] of [
    ['x-amz-acl', 'public-read'],
    ['x-amz-grant-read', 'id=1'],
    ['x-amz-bucket-object-lock-enabled', 'true'],
    ['x-amz-expected-bucket-owner', '123'],
    ['x-amz-invented-tomorrow', '1'],
  ] as const) {
    const reply = await send(controlRequest('PUT', '/bucket', { headers: { [name]: value } }));
    assert.equal(reply.status, 501, name);
    assert.match(reply.body, new RegExp(name));
  }
});
