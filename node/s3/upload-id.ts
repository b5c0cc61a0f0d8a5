/** Upload ids: 32 hex digits, opaque to clients. */
import type { ControlRequest } from '../engine/requests.ts';
import { S3Error } from './errors.ts';

/** The upload id of a request. An id that we can never have given is NoSuchUpload. */
export function uploadOf(request: ControlRequest): string {
  const upload = request.query.get('uploadId') ?? '';
  if (!/^[0-9a-f]{32}$/.test(upload)) throw new S3Error('NoSuchUpload');
  return upload;
}
