/**
 * Packs what the data plane has to know into one buffer that it swaps whole.
 *
 * The reader is `native/addon/src/tables.rs`; test/fixtures/tables.bin and tables.json hold both to the same bytes. All
 * numbers are little-endian; a text is its length in bytes (u32) and UTF-8.
 *
 *     magic "OLTB" | format u16 = 1 | reserved u16 = 0 | version u64
 *     limits: connections u32 | head_timeout_ms u32 | idle_timeout_ms u32 | control_body_bytes u32 | object_bytes u64
 *     region text
 *     identities: count u32, then each: access_key text | secret_key text
 *     errors: count u32, then each: code text | status u16 | message text
 *     error_template text
 *     end "BTLO"
 */

/** What one version of the tables says. */
export type Tables = {
  /** Rises with each push. */
  readonly version: number;
  readonly region: string;
  readonly limits: {
    readonly connections: number;
    readonly headTimeoutMs: number;
    readonly idleTimeoutMs: number;
    /** Largest body of a control request. */
    readonly controlBodyBytes: number;
    /** Largest single PUT or part. */
    readonly objectBytes: number;
  };
  readonly identities: readonly { readonly accessKey: string; readonly secretKey: string }[];
  readonly errors: readonly { readonly code: string; readonly status: number; readonly message: string }[];
  /** Holds {code}, {message}, {resource} and {request_id}. */
  readonly errorTemplate: string;
};

const FORMAT = 1;

/** The packed form. */
export function packTables(tables: Tables): Buffer {
  const { limits } = tables;
  return Buffer.concat([
    Buffer.from('OLTB'),
    number16(FORMAT),
    number16(0),
    number64(tables.version),
    number32(limits.connections),
    number32(limits.headTimeoutMs),
    number32(limits.idleTimeoutMs),
    number32(limits.controlBodyBytes),
    number64(limits.objectBytes),
    text(tables.region),
    number32(tables.identities.length),
    ...tables.identities.flatMap((identity) => [text(identity.accessKey), text(identity.secretKey)]),
    number32(tables.errors.length),
    ...tables.errors.flatMap((error) => [text(error.code), number16(error.status), text(error.message)]),
    text(tables.errorTemplate),
    Buffer.from('BTLO'),
  ]);
}

function number16(value: number): Buffer {
  const bytes = Buffer.alloc(2);
  bytes.writeUInt16LE(value);
  return bytes;
}

function number32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(value);
  return bytes;
}

function number64(value: number): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64LE(BigInt(value));
  return bytes;
}

function text(value: string): Buffer {
  const bytes = Buffer.from(value);
  return Buffer.concat([number32(bytes.length), bytes]);
}
