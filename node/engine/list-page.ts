/**
 * Reads a page of a list out of the one buffer in which it crosses from the data plane. Its writer is
 * `native/addon/src/list_page.rs`. All numbers are little-endian.
 *
 *     row count u32 | prefix count u32 | next offset u32 | next length u32 (0xffffffff: there is no next page)
 *     each row, 40 bytes:   key offset u32 | key length u16 | etag parts u16 | size u64 | last modified ms u64 | etag 16 bytes
 *     each prefix, 8 bytes: offset u32 | length u32
 *     bytes of all names; offsets count from here
 */

export type ListRow = {
  readonly key: string;
  readonly size: number;
  /** Hex, with `-N` behind it for multipart objects; without quotes. */
  readonly etag: string;
  readonly lastModifiedMs: number;
};

/** Rows and common prefixes, each in byte order. */
export type ListPage = {
  readonly rows: readonly ListRow[];
  readonly prefixes: readonly string[];
  /** Where the next page starts (exclusive); undefined at the end. */
  readonly next: Buffer | undefined;
};

const HEADER_BYTES = 16;
const ROW_BYTES = 40;
/** Where a row has its ETag, and the hex digits of one. */
const ETAG_AT = 24;
const ETAG_DIGITS = 32;
const PREFIX_BYTES = 8;
const NO_NEXT = 0xffffffff;

/** The page. */
export function readListPage(buffer: Buffer): ListPage {
  const rowCount = buffer.readUInt32LE(0);
  const prefixCount = buffer.readUInt32LE(4);
  const nextOffset = buffer.readUInt32LE(8);
  const nextLength = buffer.readUInt32LE(12);
  const prefixesAt = HEADER_BYTES + rowCount * ROW_BYTES;
  const namesAt = prefixesAt + prefixCount * PREFIX_BYTES;
  // One string of all names and one of all rows, of which slices are taken: a call into the engine for each would cost more than all else.
  const names = buffer.toString('utf8', namesAt);
  const isAscii = names.length === buffer.length - namesAt;
  const name = (offset: number, length: number): string =>
    isAscii ? names.slice(offset, offset + length) : buffer.toString('utf8', namesAt + offset, namesAt + offset + length);
  const digits = buffer.toString('hex', HEADER_BYTES, prefixesAt);
  const rows: ListRow[] = [];
  for (let at = HEADER_BYTES; at < prefixesAt; at += ROW_BYTES) {
    const parts = buffer.readUInt16LE(at + 6);
    const digitsAt = (at + ETAG_AT - HEADER_BYTES) * 2;
    const etag = digits.slice(digitsAt, digitsAt + ETAG_DIGITS);
    rows.push({
      key: name(buffer.readUInt32LE(at), buffer.readUInt16LE(at + 4)),
      size: number64(buffer, at + 8),
      lastModifiedMs: number64(buffer, at + 16),
      etag: parts === 0 ? etag : `${etag}-${parts}`,
    });
  }
  const prefixes: string[] = [];
  for (let at = prefixesAt; at < namesAt; at += PREFIX_BYTES) {
    prefixes.push(name(buffer.readUInt32LE(at), buffer.readUInt32LE(at + 4)));
  }
  const next = nextLength === NO_NEXT ? undefined : Buffer.from(buffer.subarray(namesAt + nextOffset, namesAt + nextOffset + nextLength));
  return { rows, prefixes, next };
}

/** Sizes and times stay far below 2^53. */
function number64(buffer: Buffer, offset: number): number {
  return buffer.readUInt32LE(offset) + buffer.readUInt32LE(offset + 4) * 2 ** 32;
}
