/** HeadBucket: whether a bucket exists, and its region. */
import { bucketOf, emptyReply, type Operation } from '../service.ts';

/** HEAD /bucket */
export const headBucket: Operation = async (request, service) => {
  await service.primitives.headBucket(bucketOf(request));
  return emptyReply(200, { 'x-amz-bucket-region': service.region, 'content-type': 'application/xml' });
};
