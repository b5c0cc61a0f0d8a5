/** CompleteMultipartUpload: the named parts, in order, become the object. */
import type { Condition, UploadPlace } from '../../engine/primitives.ts';
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
  await checkObjectSize(place, { parts, service, expected: request.headers.get('x-amz-mp-object-size') });
  const head = await service.primitives.completeUpload(place, { parts, condition });
  return xmlReply('CompleteMultipartUploadResult', {
    Location: `http://${request.headers.get('host') ?? ''}/${object.bucket}/${encodeURI(object.key)}`,
    Bucket: object.bucket,
    Key: object.key,
    ETag: `"${head.etag}"`,
  });
};

type Part = { readonly number: number; readonly etag: string };

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
  return { number: Number(number), etag };
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

/** Where the client says how large the object must become, it must become so. */
async function checkObjectSize(
  place: UploadPlace,
  options: { readonly parts: readonly Part[]; readonly service: S3Service; readonly expected: string | undefined },
): Promise<void> {
  if (options.expected === undefined) return;
  const sizes = new Map((await options.service.primitives.listParts(place)).map((part) => [part.number, part.size]));
  const size = options.parts.reduce((sum, part) => sum + (sizes.get(part.number) ?? 0), 0);
  if (String(size) !== options.expected) {
    throw new S3Error('InvalidRequest', `x-amz-mp-object-size is "${options.expected}", but the parts have ${size} bytes.`);
  }
}
