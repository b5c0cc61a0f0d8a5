/** GetBucketLocation: the region; for us-east-1 the element is empty, as it always was on AWS. */
import { bucketOf, type Operation, xmlReply } from '../service.ts';

/** GET /bucket?location */
export const getBucketLocation: Operation = async (request, service) => {
  await service.primitives.headBucket(bucketOf(request));
  return xmlReply('LocationConstraint', { '#text': service.region === 'us-east-1' ? '' : service.region });
};
