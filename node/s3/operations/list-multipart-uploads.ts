/** ListMultipartUploads: the uploads of a bucket that are under way, by key and id, in pages. */
import type { UploadPage } from '../../engine/primitives.ts';
import { KEY_BYTES, listPrefixes, readListParameters } from '../listing.ts';
import { bucketOf, isoTime, type Operation, xmlReply } from '../service.ts';

const NOTHING: UploadPage = { rows: [], prefixes: [], next: undefined };

/** GET /bucket?uploads */
export const listMultipartUploads: Operation = async (request, service) => {
  const { prefix, delimiter, maxKeys: limit, encode, isEncoded } = readListParameters(request, 'max-uploads');
  const bucket = bucketOf(request);
  const key = request.query.get('key-marker') ?? '';
  // Of no meaning without a key, and none that we never gave has an upload before it.
  const asked = key === '' ? '' : (request.query.get('upload-id-marker') ?? '');
  const upload = /^[0-9a-f]{32}$/.test(asked) ? asked : undefined;
  const after = key === '' ? undefined : { key, upload };
  const isEmpty = limit === 0 || Buffer.byteLength(prefix) > KEY_BYTES;
  if (isEmpty) await service.primitives.headBucket(bucket);
  const page = isEmpty ? NOTHING : await service.primitives.listUploads({ bucket, prefix, delimiter, after, limit });
  const owner = { ID: service.owner.id, DisplayName: service.owner.displayName };
  return xmlReply('ListMultipartUploadsResult', {
    Bucket: bucket,
    KeyMarker: encode(key),
    UploadIdMarker: asked,
    NextKeyMarker: page.next === undefined ? undefined : encode(page.next.key),
    NextUploadIdMarker: page.next === undefined ? undefined : (page.next.upload ?? ''),
    Prefix: encode(prefix),
    Delimiter: delimiter === '' ? undefined : encode(delimiter),
    MaxUploads: limit,
    EncodingType: isEncoded ? 'url' : undefined,
    IsTruncated: page.next !== undefined,
    Upload: page.rows.map((row) => ({
      Key: encode(row.key),
      UploadId: row.upload,
      Initiator: owner,
      Owner: owner,
      StorageClass: 'STANDARD',
      Initiated: isoTime(row.begunMs),
    })),
    CommonPrefixes: listPrefixes(page, encode),
  });
};
