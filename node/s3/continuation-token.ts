/**
 * Continuation tokens: where the next page starts, opaque to clients, without any state on the server.
 *
 *     base64url of: format byte 1 | bytes of the last name
 */
import { S3Error } from './errors.ts';

const FORMAT = 1;
/** The longest key, and a byte that may follow it. */
const NAME_BYTES = 1025;

/** The token of a place. */
export function encodeToken(after: Buffer): string {
  return Buffer.concat([Buffer.of(FORMAT), after]).toString('base64url');
}

/** The place of a token. Throws InvalidArgument for anything that encodeToken did not make. */
export function decodeToken(token: string): Buffer {
  const bytes = Buffer.from(token, 'base64url');
  const isOurs = bytes[0] === FORMAT && bytes.length <= 1 + NAME_BYTES && bytes.toString('base64url') === token;
  if (!isOurs) throw new S3Error('InvalidArgument', 'The continuation token provided is incorrect.');
  return bytes.subarray(1);
}
