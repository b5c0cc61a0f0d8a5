/** Names and types of S3's checksums. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { checksumElements, readChecksumHeader, readUploadChecksum } from '../../../node/s3/checksum.ts';

const headers = (algorithm: string, type?: string): ReadonlyMap<string, string> =>
  new Map([['x-amz-checksum-algorithm', algorithm], ...(type === undefined ? [] : [['x-amz-checksum-type', type] as const])]);

test('an upload without a type gets the one that S3 gives its algorithm', () => {
  assert.equal(readUploadChecksum(new Map()), undefined);
  assert.deepEqual(readUploadChecksum(headers('crc32')), { algorithm: 'CRC32', type: 'COMPOSITE' });
  assert.deepEqual(readUploadChecksum(headers('SHA256')), { algorithm: 'SHA256', type: 'COMPOSITE' });
  assert.deepEqual(readUploadChecksum(headers('CRC64NVME')), { algorithm: 'CRC64NVME', type: 'FULL_OBJECT' });
  assert.deepEqual(readUploadChecksum(headers('CRC32C', 'full_object')), { algorithm: 'CRC32C', type: 'FULL_OBJECT' });
});

test('pairs that S3 does not have are refused', () => {
  for (const [algorithm, type] of [
    ['CRC64NVME', 'COMPOSITE'],
    ['SHA1', 'FULL_OBJECT'],
    ['SHA256', 'FULL_OBJECT'],
    ['CRC32', 'HALF'],
    ['MD5', undefined],
  ] as const) {
    assert.throws(() => readUploadChecksum(headers(algorithm, type)), { code: 'InvalidRequest' }, `${algorithm} ${type}`);
  }
  assert.throws(() => readUploadChecksum(new Map([['x-amz-checksum-type', 'COMPOSITE']])), { code: 'InvalidRequest' });
});

test('an object has at most one checksum, shown with its type', () => {
  const one = new Map([['x-amz-checksum-crc32', 'AAAAAA==']]);
  assert.deepEqual(checksumElements(one), { ChecksumCRC32: 'AAAAAA==', ChecksumType: 'FULL_OBJECT' });
  assert.deepEqual(checksumElements(new Map()), {});
  assert.throws(() => readChecksumHeader(new Map([...one, ['x-amz-checksum-sha1', 'x']])), { code: 'InvalidRequest' });
});
