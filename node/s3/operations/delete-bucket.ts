/** DeleteBucket: only an empty one. */
import { S3Error } from '../errors.ts';
import { bucketOf, emptyReply, type Operation } from '../service.ts';

/** DELETE /bucket */
export const deleteBucket: Operation = async (request, service) => {
  const wasEmpty = await service.primitives.deleteBucket(bucketOf(request));
  if (!wasEmpty) throw new S3Error('BucketNotEmpty');
  return emptyReply(204);
};
