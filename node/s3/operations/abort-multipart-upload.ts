/** AbortMultipartUpload: gives an upload and its parts up. */
import { emptyReply, type Operation, objectOf } from '../service.ts';
import { uploadOf } from '../upload-id.ts';

/** DELETE /bucket/key?uploadId=... */
export const abortMultipartUpload: Operation = async (request, service) => {
  await service.primitives.abortUpload({ ...objectOf(request), upload: uploadOf(request) });
  return emptyReply(204);
};
