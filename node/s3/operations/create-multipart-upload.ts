/** CreateMultipartUpload: remembers what the completed object will carry. */

import { S3Error } from '../errors.ts';
import { readObjectMetadata } from '../headers.ts';
import { type Operation, objectOf, xmlReply } from '../service.ts';

const ALGORITHMS = ['CRC32', 'CRC32C', 'CRC64NVME', 'SHA1', 'SHA256'];

/** POST /bucket/key?uploads */
export const createMultipartUpload: Operation = async (request, service) => {
  const object = objectOf(request);
  const algorithm = request.headers.get('x-amz-checksum-algorithm')?.toUpperCase();
  const type = request.headers.get('x-amz-checksum-type')?.toUpperCase();
  if (algorithm !== undefined && !ALGORITHMS.includes(algorithm)) {
    throw new S3Error('InvalidRequest', `x-amz-checksum-algorithm is "${algorithm}", expected one of ${ALGORITHMS.join(', ')}.`);
  }
  if (type !== undefined && type !== 'FULL_OBJECT' && type !== 'COMPOSITE') {
    throw new S3Error('InvalidRequest', `x-amz-checksum-type is "${type}", expected FULL_OBJECT or COMPOSITE.`);
  }
  const upload = await service.primitives.createUpload(object, readObjectMetadata(request.headers));
  const reply = xmlReply('InitiateMultipartUploadResult', { Bucket: object.bucket, Key: object.key, UploadId: upload });
  const headers = {
    ...reply.headers,
    ...(algorithm === undefined ? {} : { 'x-amz-checksum-algorithm': algorithm }),
    ...(type === undefined ? {} : { 'x-amz-checksum-type': type }),
  };
  return { ...reply, headers };
};
