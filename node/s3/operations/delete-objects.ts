/** DeleteObjects: up to 1,000 keys, each on its own, with one reply for all. */
import { createHash } from 'node:crypto';
import type { Condition } from '../../engine/primitives.ts';
import type { ControlRequest } from '../../engine/requests.ts';
import { S3Error, toS3Error } from '../errors.ts';
import { bucketOf, type Operation, type S3Service, xmlReply } from '../service.ts';
import { parseXml, type XmlElement, type XmlValue } from '../xml.ts';

const KEY_LIMIT = 1000;
const KEY_BYTES = 1024;
/** Deletes of one request that run side by side: enough to fill a group commit, few enough to leave room for others. */
const AT_ONCE = 32;

/** POST /bucket?delete */
export const deleteObjects: Operation = async (request, service) => {
  checkIntegrity(request);
  const document = parseXml(request.body, 'Delete');
  const objects = document.all('Object');
  if (objects.length === 0 || objects.length > KEY_LIMIT) throw new S3Error('MalformedXML');
  const keys = objects.map(readKey);
  const isQuiet = document.text('Quiet')?.trim().toLowerCase() === 'true';
  await service.primitives.headBucket(bucketOf(request));
  const results = await deleteAll(keys, { bucket: bucketOf(request), service });
  return xmlReply('DeleteResult', {
    Deleted: isQuiet ? [] : results.flatMap((result) => (result.kind === 'deleted' ? [{ Key: result.key }] : [])),
    Error: results.flatMap((result) => (result.kind === 'error' ? [result.error] : [])),
  });
};

type ObjectName = { readonly key: string; readonly problem?: S3Error; readonly condition?: Condition };
type Result = { readonly kind: 'deleted'; readonly key: string } | { readonly kind: 'error'; readonly error: XmlValue };

function readKey(object: XmlElement): ObjectName {
  const key = object.text('Key');
  if (key === undefined || key === '') throw new S3Error('MalformedXML');
  if (Buffer.byteLength(key) > KEY_BYTES) return { key, problem: new S3Error('KeyTooLongError') };
  for (const name of ['VersionId', 'LastModifiedTime', 'Size']) {
    const text = object.text(name);
    // "null" names the only version that an unversioned bucket has.
    if (text === undefined || text === '' || (name === 'VersionId' && text === 'null')) continue;
    return { key, problem: new S3Error('NotImplemented', `Deleting by ${name} is not implemented.`) };
  }
  const etag = object
    .text('ETag')
    ?.trim()
    .replace(/^"(.*)"$/, '$1');
  if (etag === undefined || etag === '') return { key };
  return { key, condition: etag === '*' ? { kind: 'exists' } : { kind: 'matches', etag } };
}

async function deleteAll(
  names: readonly ObjectName[],
  options: { readonly bucket: string; readonly service: S3Service },
): Promise<Result[]> {
  const results: Result[] = [];
  const work = names.entries();
  const worker = async (): Promise<void> => {
    for (const [index, name] of work) results[index] = await deleteOne(name, options);
  };
  await Promise.all(Array.from({ length: Math.min(AT_ONCE, names.length) }, worker));
  return results;
}

async function deleteOne(name: ObjectName, { bucket, service }: { readonly bucket: string; readonly service: S3Service }): Promise<Result> {
  try {
    if (name.problem !== undefined) throw name.problem;
    if (name.condition === undefined) await service.primitives.deleteObject(bucket, name.key);
    else await deleteIf(name, { bucket, service, condition: name.condition });
    return { kind: 'deleted', key: name.key };
  } catch (error) {
    const known = toS3Error(error);
    if (known === undefined) throw error;
    return { kind: 'error', error: { Key: name.key, Code: known.code, Message: known.message } };
  }
}

async function deleteIf(
  { key }: ObjectName,
  { bucket, service, condition }: { readonly bucket: string; readonly service: S3Service; readonly condition: Condition },
): Promise<void> {
  try {
    await service.primitives.deleteObject(bucket, key, { condition });
  } catch (error) {
    // A key that is not there is another error than one that holds something else.
    if (toS3Error(error)?.code === 'PreconditionFailed') await service.primitives.headObject(bucket, key);
    throw error;
  }
}

/** A deletion must not run on a body that was damaged on the way. Checksums were verified with the body. */
function checkIntegrity(request: ControlRequest): void {
  const md5 = request.headers.get('content-md5');
  if (md5 !== undefined && md5 !== createHash('md5').update(request.body).digest('base64')) {
    throw new S3Error(/^[A-Za-z0-9+/]{22}==$/.test(md5) ? 'BadDigest' : 'InvalidDigest');
  }
  const hasChecksum = [...request.headers.keys(), ...(request.headers.get('x-amz-trailer') ?? '').toLowerCase().split(',')].some((name) =>
    /^x-amz-checksum-(crc32|crc32c|crc64nvme|sha1|sha256)$/.test(name.trim()),
  );
  if (md5 === undefined && !hasChecksum) {
    throw new S3Error('InvalidRequest', 'Missing required header for this request: Content-MD5 or x-amz-checksum-*');
  }
}
