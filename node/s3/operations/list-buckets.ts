/** ListBuckets: all buckets by name, in pages where the client asks for them. */
import { decodeToken, encodeToken } from '../continuation-token.ts';
import { S3Error } from '../errors.ts';
import { readCount } from '../listing.ts';
import { isoTime, type Operation, xmlReply } from '../service.ts';

const BUCKET_LIMIT = 10_000;

/** GET / */
export const listBuckets: Operation = async (request, service) => {
  const limit = readCount(request, { name: 'max-buckets', limit: BUCKET_LIMIT });
  if (limit === 0) throw new S3Error('InvalidArgument', 'max-buckets is "0", expected an integer from 1 to 10000.');
  const prefix = request.query.get('prefix') ?? '';
  const token = request.query.get('continuation-token');
  const after = token === undefined ? '' : decodeToken(token).toString();
  const region = request.query.get('bucket-region');
  const known = region === undefined || region === service.region ? await service.primitives.listBuckets() : [];
  // Bucket names are ASCII, so the order of strings is that of bytes.
  const buckets = known
    .filter((bucket) => bucket.name.startsWith(prefix) && bucket.name > after)
    .toSorted((left, right) => (left.name < right.name ? -1 : 1));
  const page = buckets.slice(0, limit);
  const last = page.at(-1);
  return xmlReply('ListAllMyBucketsResult', {
    Owner: { ID: service.owner.id, DisplayName: service.owner.displayName },
    Buckets: {
      Bucket: page.map((bucket) => ({
        Name: bucket.name,
        CreationDate: isoTime(bucket.createdMs),
        BucketRegion: service.region,
      })),
    },
    ContinuationToken: buckets.length > limit && last !== undefined ? encodeToken(Buffer.from(last.name)) : undefined,
    Prefix: prefix === '' ? undefined : prefix,
  });
};
