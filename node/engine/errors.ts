/**
 * What a call into the data plane can end with, besides success.
 *
 * The codes are those of `native/addon/src/primitives.rs`; what S3 clients are told instead stands in node/s3/errors.ts.
 */

export type EngineErrorCode =
  | 'NoSuchBucket'
  | 'NoSuchKey'
  | 'NoSuchUpload'
  | 'PreconditionFailed'
  /** A conditional write lost its races; it had no effect. */
  | 'ConditionalConflict'
  | 'InvalidRange'
  /** Too few drives answered; no effect. */
  | 'Unavailable'
  /** Too few drives answered after something was published: it may have happened, or may happen later. */
  | 'Unknown'
  | 'Full'
  | 'Body'
  /** The whole does not have the checksum that was asked for. */
  | 'BadDigest'
  | 'InvalidPart'
  | 'InvalidPartOrder'
  | 'EntityTooSmall'
  | 'Invalid'
  /** The engine could not start. */
  | 'Start'
  /** The data core that ran the call has ended. */
  | 'CoreStopped';

/** A failed call; the message is for people and may be empty where the code says it all. */
export class EngineError extends Error {
  readonly code: EngineErrorCode;

  constructor(code: EngineErrorCode, message: string) {
    super(message === '' ? code : message);
    this.name = 'EngineError';
    this.code = code;
  }
}
