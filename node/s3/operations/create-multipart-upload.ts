/** CreateMultipartUpload: remembers what the completed object will carry. */
import { readUploadChecksum } from '../checksum.ts';
import { readObjectMetadata } from '../headers.ts';
import { type Operation, objectOf, xmlReply } from '../service.ts';

/** POST /bucket/key?uploads */
export const createMultipartUpload: Operation = async (request, service) => {
  const object = objectOf(request);
  const checksum = readUploadChecksum(request.headers);
  const asked: Record<string, string> =
    checksum === undefined ? {} : { 'x-amz-checksum-algorithm': checksum.algorithm, 'x-amz-checksum-type': checksum.type };
  // The data plane finds the two beside the object's own headers when the upload is completed, and puts the checksum in their place.
  const upload = await service.primitives.createUpload(object, [...readObjectMetadata(request.headers), ...Object.entries(asked)]);
  const reply = xmlReply('InitiateMultipartUploadResult', { Bucket: object.bucket, Key: object.key, UploadId: upload });
  return { ...reply, headers: { ...reply.headers, ...asked } };
};
