/**
 * Answers control requests: finds the operation, runs it, turns whatever it throws into S3's form.
 *
 * Everything that is not in the table is NotImplemented and changes nothing.
 */
import { monotonicMs } from '../engine/clock.ts';
import type { ControlReply, ControlRequest } from '../engine/requests.ts';
import { S3Error, s3ErrorTable, toS3Error } from './errors.ts';
import { refuseUnknownHeaders } from './headers.ts';
import { abortMultipartUpload } from './operations/abort-multipart-upload.ts';
import { completeMultipartUpload } from './operations/complete-multipart-upload.ts';
import { createBucket } from './operations/create-bucket.ts';
import { createMultipartUpload } from './operations/create-multipart-upload.ts';
import { deleteBucket } from './operations/delete-bucket.ts';
import { deleteObjects } from './operations/delete-objects.ts';
import { getBucketLocation } from './operations/get-bucket-location.ts';
import { headBucket } from './operations/head-bucket.ts';
import { listBuckets } from './operations/list-buckets.ts';
import { listMultipartUploads } from './operations/list-multipart-uploads.ts';
import { listObjects } from './operations/list-objects.ts';
import { listObjectsV2 } from './operations/list-objects-v2.ts';
import { listParts } from './operations/list-parts.ts';
import { findOperation, type OperationName } from './routes.ts';
import { type Operation, RESERVED_BUCKET, type S3Service } from './service.ts';
import { buildErrorXml } from './xml.ts';

const operations: Readonly<Record<OperationName, Operation>> = {
  ListBuckets: listBuckets,
  CreateBucket: createBucket,
  HeadBucket: headBucket,
  GetBucketLocation: getBucketLocation,
  DeleteBucket: deleteBucket,
  ListObjectsV2: listObjectsV2,
  ListObjects: listObjects,
  DeleteObjects: deleteObjects,
  CreateMultipartUpload: createMultipartUpload,
  CompleteMultipartUpload: completeMultipartUpload,
  AbortMultipartUpload: abortMultipartUpload,
  ListMultipartUploads: listMultipartUploads,
  ListParts: listParts,
};

/** What became of a request, for metrics and log. `fault` is an error of ours. */
export type Outcome = {
  readonly operation: OperationName | 'NotImplemented';
  readonly status: number;
  readonly milliseconds: number;
  readonly fault?: unknown;
};

/** A handler for the engine's control requests. `observe` hears of every one. */
export function s3Router(
  service: S3Service,
  observe: (outcome: Outcome, request: ControlRequest) => void,
): (request: ControlRequest) => Promise<ControlReply> {
  return async (request) => {
    const startMs = monotonicMs();
    const operation = findOperation(request);
    let fault: unknown;
    let reply: ControlReply;
    try {
      reply = await run(operation, request, service);
    } catch (error) {
      const known = toS3Error(error);
      if (known === undefined) fault = error;
      reply = errorReply(known ?? new S3Error('InternalError'), request);
    }
    const outcome = { operation: operation ?? 'NotImplemented', status: reply.status, milliseconds: monotonicMs() - startMs } as const;
    observe(fault === undefined ? outcome : { ...outcome, fault }, request);
    return reply;
  };
}

async function run(operation: OperationName | undefined, request: ControlRequest, service: S3Service): Promise<ControlReply> {
  if (request.bucket === RESERVED_BUCKET) throw new S3Error('AccessDenied', `The bucket ${RESERVED_BUCKET} is reserved.`);
  if (operation === undefined) throw new S3Error('NotImplemented');
  refuseUnknownHeaders(request.headers);
  return await operations[operation](request, service);
}

/** An error in S3's form; a reply to HEAD has no body. */
export function errorReply(error: S3Error, request: Pick<ControlRequest, 'method' | 'bucket' | 'key' | 'requestId'>): ControlReply {
  const resource = `/${[request.bucket, request.key].filter((part) => part !== undefined).join('/')}`;
  const { status } = s3ErrorTable[error.code];
  const headers: Record<string, string> = { 'content-type': 'application/xml' };
  if (status === 503) headers['retry-after'] = '1';
  if (request.method === 'HEAD') return { status, headers, body: '' };
  const { requestId } = request;
  return { status, headers, body: buildErrorXml({ code: error.code, message: error.message, resource, requestId }) };
}
