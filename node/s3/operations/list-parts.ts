/** ListParts: the parts of an open upload, by number, in pages. */
import { checksumElement } from '../checksum.ts';
import { readCount } from '../listing.ts';
import { isoTime, type Operation, objectOf, xmlReply } from '../service.ts';
import { uploadOf } from '../upload-id.ts';

const PAGE_LIMIT = 1000;
const HIGHEST_NUMBER = 10_000;

/** GET /bucket/key?uploadId=... */
export const listParts: Operation = async (request, service) => {
  const object = objectOf(request);
  const upload = uploadOf(request);
  const limit = readCount(request, { name: 'max-parts', limit: PAGE_LIMIT });
  const marker = request.query.get('part-number-marker') ? readCount(request, { name: 'part-number-marker', limit: HIGHEST_NUMBER }) : 0;
  const parts = (await service.primitives.listParts({ ...object, upload })).filter((part) => part.number > marker);
  const page = parts.slice(0, limit);
  const owner = { ID: service.owner.id, DisplayName: service.owner.displayName };
  return xmlReply('ListPartsResult', {
    Bucket: object.bucket,
    Key: object.key,
    UploadId: upload,
    Initiator: owner,
    Owner: owner,
    StorageClass: 'STANDARD',
    PartNumberMarker: marker,
    NextPartNumberMarker: page.at(-1)?.number ?? marker,
    MaxParts: limit,
    IsTruncated: limit > 0 && parts.length > limit,
    Part: page.map((part) => ({
      PartNumber: part.number,
      LastModified: isoTime(part.lastModifiedMs),
      ETag: `"${part.etag}"`,
      Size: part.size,
      ...checksumElement(part.checksum),
    })),
  });
};
