/** CompleteMultipartUpload: the named parts, in order, become the object. */
import { EngineError } from '../../engine/errors.ts';
import type { Checksum, Condition, ObjectHead, PartRow, UploadPlace } from '../../engine/primitives.ts';
import { CHECKSUM_ELEMENTS, checksumElements, readChecksumHeader } from '../checksum.ts';
import { S3Error } from '../errors.ts';
import { type Operation, objectOf, type S3Service, xmlReply } from '../service.ts';
import { uploadOf } from '../upload-id.ts';
import { parseXml, type XmlElement } from '../xml.ts';

const PART_LIMIT = 10_000;

/** POST /bucket/key?uploadId=... */
export const completeMultipartUpload: Operation = async (request, service) => {
  const object = objectOf(request);
  const place = { ...object, upload: uploadOf(request) };
  const condition = readCondition(request.headers);
  const elements = parseXml(request.body, 'CompleteMultipartUpload').all('Part');
  if (elements.length === 0 || elements.length > PART_LIMIT) throw new S3Error('MalformedXML');
  const parts = elements.map(readPart);
  if (parts.some((part, index) => part.number <= (parts[index - 1]?.number ?? 0))) throw new S3Error('InvalidPartOrder');
  const checksum = readChecksumHeader(request.headers);
  await checkParts(place, { parts, service, expectedSize: request.headers.get('x-amz-mp-object-size') });
  const head = await complete(place, { parts, condition, checksum, service });
  return xmlReply('CompleteMultipartUploadResult', {
    Location: `http://${request.headers.get('host') ?? ''}/${object.bucket}/${encodeURI(object.key)}`,
    Bucket: object.bucket,
    Key: object.key,
    ETag: `"${head.etag}"`,
    ...checksumElements(head.metadata),
  });
};

type Terms = {
  readonly parts: readonly Part[];
  readonly condition: Condition;
  readonly checksum: Checksum | undefined;
  readonly service: S3Service;
};

async function complete(place: UploadPlace, { parts, condition, checksum, service }: Terms): Promise<ObjectHead> {
  try {
    return await service.primitives.completeUpload(place, { parts, condition, ...(checksum === undefined ? {} : { checksum }) });
  } catch (error) {
    const failed = error instanceof EngineError && error.code === 'PreconditionFailed';
    // S3 tells a key that is not there (404) from one that holds something else (412).
    if (failed && condition.kind === 'matches') await service.primitives.headObject(place.bucket, place.key);
    throw error;
  }
}

type Part = {
  readonly number: number;
  readonly etag: string;
  /** Values that the client names for this part; S3 takes at most one. */
  readonly checksums: readonly string[];
};

function readPart(element: XmlElement): Part {
  const number = element.text('PartNumber')?.trim() ?? '';
  if (!/^\d{1,5}$/.test(number)) throw new S3Error('MalformedXML');
  const etag =
    element
      .text('ETag')
      ?.trim()
      .replace(/^"(.*)"$/, '$1')
      .toLowerCase() ?? '';
  const isPart = Number(number) >= 1 && Number(number) <= PART_LIMIT && /^[0-9a-f]{32}$/.test(etag);
  if (!isPart) throw new S3Error('InvalidPart');
  const checksums = CHECKSUM_ELEMENTS.flatMap((name) => element.text(name)?.trim() ?? []);
  return { number: Number(number), etag, checksums };
}

function readCondition(headers: ReadonlyMap<string, string>): Condition {
  const ifNoneMatch = headers.get('if-none-match');
  const ifMatch = headers.get('if-match');
  if (ifNoneMatch !== undefined && ifMatch !== undefined) {
    throw new S3Error('NotImplemented', 'If-Match and If-None-Match together are not implemented.');
  }
  if (ifNoneMatch !== undefined) {
    if (ifNoneMatch.trim() !== '*') throw new S3Error('NotImplemented', 'If-None-Match with an ETag is not implemented for writes.');
    return { kind: 'absent' };
  }
  if (ifMatch === undefined) return { kind: 'none' };
  return { kind: 'matches', etag: ifMatch.trim().replace(/^"(.*)"$/, '$1') };
}

/** What the client says of sizes and checksums must be so. Of an upload that is done, only its ETags can still be judged. */
async function checkParts(
  place: UploadPlace,
  options: { readonly parts: readonly Part[]; readonly service: S3Service; readonly expectedSize: string | undefined },
): Promise<void> {
  const { parts, service, expectedSize } = options;
  if (expectedSize === undefined && parts.every((part) => part.checksums.length === 0)) return;
  const stored = await storedParts(place, service);
  if (stored === undefined) return;
  for (const { number, checksums } of parts) {
    const found = stored.get(number)?.checksum?.value;
    if (found !== undefined && checksums.some((value) => value !== found)) {
      throw new S3Error('InvalidPart', `The checksum of part ${number} is "${checksums.join()}", but it was uploaded with "${found}".`);
    }
  }
  const size = parts.reduce((sum, part) => sum + (stored.get(part.number)?.size ?? 0), 0);
  if (expectedSize !== undefined && String(size) !== expectedSize) {
    throw new S3Error('InvalidRequest', `x-amz-mp-object-size is "${expectedSize}", but the parts have ${size} bytes.`);
  }
}

async function storedParts(place: UploadPlace, service: S3Service): Promise<ReadonlyMap<number, PartRow> | undefined> {
  try {
    return new Map((await service.primitives.listParts(place)).map((part) => [part.number, part]));
  } catch (error) {
    if (error instanceof EngineError && error.code === 'NoSuchUpload') return undefined;
    throw error;
  }
}
