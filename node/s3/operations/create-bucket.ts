/** CreateBucket: name rules, region, and what a bucket that is already there answers. */
import { EngineError } from '../../engine/errors.ts';
import { bucketNameProblem } from '../bucket-name.ts';
import { S3Error } from '../errors.ts';
import { bucketOf, emptyReply, type Operation } from '../service.ts';
import { parseXml } from '../xml.ts';

/** The region in which creating one's own bucket again succeeds; AWS kept this for compatibility. */
const LENIENT_REGION = 'us-east-1';

/** PUT /bucket */
export const createBucket: Operation = async (request, service) => {
  const name = bucketOf(request);
  const problem = bucketNameProblem(name);
  if (problem !== undefined) throw new S3Error('InvalidBucketName', `The bucket name "${name}" is not valid: ${problem}.`);
  const constraint = readConstraint(request.body);
  if (constraint !== undefined && constraint !== service.region) {
    throw new S3Error('InvalidLocationConstraint', `LocationConstraint is "${constraint}", expected "${service.region}".`);
  }
  try {
    await service.primitives.createBucket(name);
  } catch (error) {
    const exists = error instanceof EngineError && error.code === 'PreconditionFailed';
    if (!exists) throw error;
    if (service.region !== LENIENT_REGION) throw new S3Error('BucketAlreadyOwnedByYou');
  }
  return emptyReply(200, { location: `/${name}` });
};

function readConstraint(body: Buffer): string | undefined {
  if (body.length === 0) return undefined;
  const configuration = parseXml(body, 'CreateBucketConfiguration');
  for (const name of ['Location', 'Bucket', 'Tags']) {
    if (configuration.all(name).length > 0)
      throw new S3Error('NotImplemented', `CreateBucketConfiguration with ${name} is not implemented.`);
  }
  const constraint = configuration.text('LocationConstraint');
  return constraint === '' ? undefined : constraint;
}
