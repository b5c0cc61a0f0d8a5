/**
 * The S3 error codes that this server uses, each with its status and the message that clients see.
 *
 * This is the one table of them: the data plane gets it pushed down (native/http names its codes, a test compares), and
 * control operations answer from it. Codes and statuses are those of the S3 API reference, "Error responses".
 */
import { EngineError, type EngineErrorCode } from '../engine/errors.ts';

type ErrorEntry = { readonly status: number; readonly message: string };

const entries = {
  AccessDenied: { status: 403, message: 'Access Denied.' },
  AccessControlListNotSupported: { status: 400, message: 'The bucket does not allow ACLs.' },
  AuthorizationHeaderMalformed: { status: 400, message: 'The authorization header that you provided is not valid.' },
  AuthorizationQueryParametersError: { status: 400, message: 'The query parameters of the signature are not valid.' },
  BadDigest: { status: 400, message: 'The Content-MD5 or checksum value that you specified did not match what the server received.' },
  BadRequest: { status: 400, message: 'The request could not be read.' },
  BucketAlreadyExists: { status: 409, message: 'The requested bucket name is not available.' },
  BucketAlreadyOwnedByYou: { status: 409, message: 'Your previous request to create the named bucket succeeded and you already own it.' },
  BucketNotEmpty: { status: 409, message: 'The bucket that you tried to delete is not empty.' },
  ConditionalRequestConflict: { status: 409, message: 'A conflicting operation occurred during a conditional request. Try again.' },
  EntityTooLarge: { status: 400, message: 'Your proposed upload exceeds the maximum allowed size.' },
  EntityTooSmall: { status: 400, message: 'A part other than the last one is smaller than 5 MiB.' },
  ExpectationFailed: { status: 417, message: 'The only expectation that this server meets is 100-continue.' },
  ExpiredToken: { status: 400, message: 'The provided token has expired.' },
  IllegalLocationConstraintException: { status: 400, message: 'The location constraint does not fit the region of this endpoint.' },
  IncompleteBody: { status: 400, message: 'You did not provide the number of bytes specified by the Content-Length header.' },
  InsufficientStorage: { status: 507, message: 'The drives that would hold this object are full.' },
  InternalError: { status: 500, message: 'An internal error occurred. Try again.' },
  InvalidAccessKeyId: { status: 403, message: 'The access key id that you provided does not exist in our records.' },
  InvalidArgument: { status: 400, message: 'An argument of the request is not valid.' },
  InvalidBucketName: { status: 400, message: 'The specified bucket is not valid.' },
  InvalidChunkSizeError: { status: 400, message: 'A chunk of the body is not as long as it should be.' },
  InvalidDigest: { status: 400, message: 'The Content-MD5 or checksum value that you specified is not valid.' },
  InvalidLocationConstraint: { status: 400, message: 'The specified location constraint is not valid.' },
  InvalidPart: {
    status: 400,
    message: 'One or more of the specified parts could not be found. The part may not have been uploaded, or its ETag differs.',
  },
  InvalidPartNumber: { status: 416, message: 'The requested part number is not satisfiable.' },
  InvalidPartOrder: { status: 400, message: 'The list of parts was not in ascending order.' },
  InvalidRange: { status: 416, message: 'The requested range is not satisfiable.' },
  InvalidRequest: { status: 400, message: 'The request is not valid.' },
  InvalidStorageClass: { status: 400, message: 'The storage class that you specified is not valid.' },
  InvalidToken: { status: 400, message: 'The provided token is malformed or otherwise not valid.' },
  InvalidURI: { status: 400, message: 'The specified URI could not be parsed.' },
  KeyTooLongError: { status: 400, message: 'Your key is too long.' },
  MalformedTrailerError: {
    status: 400,
    message: 'The trailer of the body is not well formed or lacks what x-amz-trailer promised.',
  },
  MalformedXML: { status: 400, message: 'The XML that you provided was not well formed or did not validate against our published schema.' },
  MaxMessageLengthExceeded: { status: 400, message: 'Your request was too large.' },
  MetadataTooLarge: { status: 400, message: 'Your metadata headers exceed the maximum allowed metadata size.' },
  MethodNotAllowed: { status: 405, message: 'The specified method is not allowed against this resource.' },
  MissingContentLength: { status: 411, message: 'You must provide the Content-Length HTTP header.' },
  MissingSecurityHeader: { status: 400, message: 'Your request is missing a required header.' },
  NoSuchBucket: { status: 404, message: 'The specified bucket does not exist.' },
  NoSuchKey: { status: 404, message: 'The specified key does not exist.' },
  NoSuchUpload: {
    status: 404,
    message:
      'The specified multipart upload does not exist. The upload id may be invalid, or the upload may have been aborted or completed.',
  },
  NotImplemented: { status: 501, message: 'This server does not implement what the request asks for.' },
  OperationAborted: { status: 409, message: 'A conflicting operation is in progress against this resource. Try again.' },
  PreconditionFailed: { status: 412, message: 'At least one of the preconditions that you specified did not hold.' },
  RequestHeaderSectionTooLarge: { status: 400, message: 'Your request header section exceeds the maximum allowed size.' },
  RequestTimeTooSkewed: { status: 403, message: "The difference between the request time and the server's time is too large." },
  RequestTimeout: {
    status: 400,
    message: 'Your socket connection to the server was not read from or written to within the timeout period.',
  },
  ServiceUnavailable: { status: 503, message: 'The service cannot answer right now. Try again.' },
  SignatureDoesNotMatch: {
    status: 403,
    message: 'The request signature that the server calculated does not match the signature that you provided.',
  },
  SlowDown: { status: 503, message: 'Please reduce your request rate.' },
  TooManyParts: { status: 400, message: 'The upload has more parts than are allowed.' },
  XAmzContentSHA256Mismatch: { status: 400, message: "The provided 'x-amz-content-sha256' header does not match what was computed." },
} as const satisfies Record<string, ErrorEntry>;

export type S3ErrorCode = keyof typeof entries;

/** Every code with status and message. */
export const s3ErrorTable: Readonly<Record<S3ErrorCode, ErrorEntry>> = entries;

/** An answer that is an error. `message` replaces the table's where there is more to say. */
export class S3Error extends Error {
  readonly code: S3ErrorCode;

  constructor(code: S3ErrorCode, message: string = entries[code].message) {
    super(message);
    this.name = 'S3Error';
    this.code = code;
  }
}

/** What clients are told of the engine's failures. Outcomes that are not known are 503: a retry is right. */
const fromEngine: Readonly<Record<EngineErrorCode, S3ErrorCode>> = {
  NoSuchBucket: 'NoSuchBucket',
  NoSuchKey: 'NoSuchKey',
  NoSuchUpload: 'NoSuchUpload',
  PreconditionFailed: 'PreconditionFailed',
  ConditionalConflict: 'ConditionalRequestConflict',
  InvalidRange: 'InvalidRange',
  Unavailable: 'ServiceUnavailable',
  Unknown: 'ServiceUnavailable',
  Full: 'InsufficientStorage',
  Body: 'BadRequest',
  BadDigest: 'BadDigest',
  InvalidPart: 'InvalidPart',
  InvalidPartOrder: 'InvalidPartOrder',
  EntityTooSmall: 'EntityTooSmall',
  Invalid: 'InvalidRequest',
  Start: 'ServiceUnavailable',
  CoreStopped: 'ServiceUnavailable',
};

/** The S3 error for anything that an operation threw; undefined for a fault of ours. */
export function toS3Error(error: unknown): S3Error | undefined {
  if (error instanceof S3Error) return error;
  if (!(error instanceof EngineError)) return undefined;
  const code = fromEngine[error.code];
  return error.message === error.code ? new S3Error(code) : new S3Error(code, `${entries[code].message} (${error.message})`);
}
