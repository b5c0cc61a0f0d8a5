/**
 * Headers that ask for something: those we keep with an object, and those we must refuse because we could not keep what
 * they promise. The data plane applies the same rules to hot operations (native/http, attributes).
 */
import { S3Error } from './errors.ts';

const KEPT = ['cache-control', 'content-disposition', 'content-encoding', 'content-language', 'content-type', 'expires'];
const USER_PREFIX = 'x-amz-meta-';
/** S3's limit of names and values of user metadata together. */
const USER_BYTES = 2048;

/** `x-amz-` headers that say nothing about the result, or that the operations themselves read. */
const UNDERSTOOD = new Set([
  'x-amz-content-sha256',
  'x-amz-date',
  'x-amz-decoded-content-length',
  'x-amz-trailer',
  'x-amz-trailer-signature',
  'x-amz-sdk-checksum-algorithm',
  'x-amz-user-agent',
  'x-amz-request-payer',
  'x-amz-te',
  'x-amz-api-version',
  'x-amz-mp-object-size',
]);
const UNDERSTOOD_PREFIXES = [USER_PREFIX, 'x-amz-checksum-'];
/** Every object belongs to the cluster's one owner: these values grant nothing beyond that, or ask for what is there. */
const UNDERSTOOD_VALUES: Readonly<Record<string, readonly string[]>> = {
  'x-amz-acl': ['private', 'bucket-owner-full-control'],
  'x-amz-storage-class': ['STANDARD'],
  'x-amz-object-ownership': ['BucketOwnerEnforced'],
  'x-amz-bucket-object-lock-enabled': ['false', 'False'],
};

/** Throws NotImplemented for the first `x-amz-` header that asks for what is not there. */
export function refuseUnknownHeaders(headers: ReadonlyMap<string, string>): void {
  for (const [name, value] of headers) {
    if (!name.startsWith('x-amz-') || UNDERSTOOD.has(name)) continue;
    if (UNDERSTOOD_PREFIXES.some((prefix) => name.startsWith(prefix))) continue;
    if (UNDERSTOOD_VALUES[name]?.includes(value) === true) continue;
    throw new S3Error('NotImplemented', `The header ${name} with the value "${value}" is not implemented here.`);
  }
}

/** What comes back with a new object: lower-case names and values. Throws MetadataTooLarge. */
export function readObjectMetadata(headers: ReadonlyMap<string, string>): (readonly [string, string])[] {
  const kept = KEPT.flatMap((name) => {
    const value = name === 'content-encoding' ? withoutChunking(headers.get(name)) : headers.get(name);
    return value === undefined ? [] : [[name, value] as const];
  });
  const user = [...headers].filter(([name]) => name.startsWith(USER_PREFIX));
  const bytes = user.reduce((sum, [name, value]) => sum + name.length - USER_PREFIX.length + Buffer.byteLength(value), 0);
  if (bytes > USER_BYTES) {
    throw new S3Error('MetadataTooLarge', `Your metadata headers have ${bytes} bytes; at most ${USER_BYTES} are allowed.`);
  }
  return [...kept, ...user];
}

/** aws-chunked describes the transfer, not the object. */
function withoutChunking(encoding: string | undefined): string | undefined {
  const rest = encoding
    ?.split(',')
    .map((part) => part.trim())
    .filter((part) => part !== '' && part.toLowerCase() !== 'aws-chunked');
  return rest === undefined || rest.length === 0 ? undefined : rest.join(', ');
}
