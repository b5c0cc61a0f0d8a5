/**
 * S3's checksums as names: the algorithm (`CRC32`), the header (`x-amz-checksum-crc32`), the XML element (`ChecksumCRC32`).
 * The data plane computes and compares them; see "Checking object integrity" in the S3 User Guide for the two types.
 */
import type { Checksum } from '../engine/primitives.ts';
import { S3Error } from './errors.ts';

const ALGORITHMS = ['CRC32', 'CRC32C', 'CRC64NVME', 'SHA1', 'SHA256'] as const;

export type ChecksumAlgorithm = (typeof ALGORITHMS)[number];
export type ChecksumType = 'COMPOSITE' | 'FULL_OBJECT';

/** Element names of checksums in requests and replies. */
export const CHECKSUM_ELEMENTS: readonly string[] = ALGORITHMS.map((algorithm) => `Checksum${algorithm}`);

/** What an upload asks for, with S3's default type for its algorithm. Throws InvalidRequest for what S3 does not know. */
export function readUploadChecksum(
  headers: ReadonlyMap<string, string>,
): { readonly algorithm: ChecksumAlgorithm; readonly type: ChecksumType } | undefined {
  const name = headers.get('x-amz-checksum-algorithm')?.toUpperCase();
  const type = headers.get('x-amz-checksum-type')?.toUpperCase();
  if (name === undefined) {
    if (type === undefined) return undefined;
    throw new S3Error('InvalidRequest', 'The x-amz-checksum-type header can only be used with the x-amz-checksum-algorithm header.');
  }
  const algorithm = ALGORITHMS.find((known) => known === name);
  if (algorithm === undefined) {
    throw new S3Error('InvalidRequest', `x-amz-checksum-algorithm is "${name}", expected one of ${ALGORITHMS.join(', ')}.`);
  }
  const wanted = type ?? (algorithm === 'CRC64NVME' ? 'FULL_OBJECT' : 'COMPOSITE');
  if (wanted !== 'FULL_OBJECT' && wanted !== 'COMPOSITE') {
    throw new S3Error('InvalidRequest', `x-amz-checksum-type is "${wanted}", expected FULL_OBJECT or COMPOSITE.`);
  }
  if (wanted === (algorithm === 'CRC64NVME' ? 'COMPOSITE' : algorithm.startsWith('SHA') ? 'FULL_OBJECT' : undefined)) {
    throw new S3Error('InvalidRequest', `The ${wanted} checksum type cannot be used with the ${algorithm} checksum algorithm.`);
  }
  return { algorithm, type: wanted };
}

/** The one checksum value among headers, if there is one. Throws InvalidRequest for more. */
export function readChecksumHeader(headers: ReadonlyMap<string, string>): Checksum | undefined {
  const found = ALGORITHMS.flatMap((algorithm) => {
    const header = `x-amz-checksum-${algorithm.toLowerCase()}`;
    const value = headers.get(header);
    return value === undefined ? [] : [{ header, value }];
  });
  if (found.length > 1) throw new S3Error('InvalidRequest', 'Expecting a single x-amz-checksum- header.');
  return found[0];
}

/** The XML elements of an object's checksum and its type; none where it has none. */
export function checksumElements(metadata: ReadonlyMap<string, string>): Readonly<Record<string, string>> {
  const checksum = readChecksumHeader(metadata);
  if (checksum === undefined) return {};
  return { ...checksumElement(checksum), ChecksumType: metadata.get('x-amz-checksum-type') ?? 'FULL_OBJECT' };
}

/** The XML element of one checksum. */
export function checksumElement(checksum: Checksum | undefined): Readonly<Record<string, string>> {
  if (checksum === undefined) return {};
  return { [`Checksum${checksum.header.replace('x-amz-checksum-', '').toUpperCase()}`]: checksum.value };
}
