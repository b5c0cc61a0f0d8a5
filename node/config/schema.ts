/**
 * The node's configuration: the one definition of its TOML.
 *
 * The type mirrors the file key by key (snake_case), so that a message about `limits.head_timeout_ms` means the same in
 * the file, in the code and in the docs. The operator renders this file, the node loads it, and both use this schema.
 *
 *     [cluster]  [layout]  [node]  [listen]  [secrets]  [peer_tls]  [io]  [limits]  [log]      one table each
 *     [[credentials]]  [[drives]]  [[nodes]]  [[sets]]                            lists
 *
 * A drive is named by its place in `[[drives]]` (0, 1, ...), a node by its id; `[[sets]]` assigns (node, drive) to slots
 * once and for ever. `[[nodes]]` lists every node of the cluster, this one included.
 */
import { Type } from 'typebox';
import {
  DEFAULT_ADMIN_PORT,
  DEFAULT_BODY_TIMEOUT_MS,
  DEFAULT_DRAIN_DELAY_MS,
  DEFAULT_DRAIN_TIMEOUT_MS,
  DEFAULT_HEAD_TIMEOUT_MS,
  DEFAULT_IDLE_TIMEOUT_MS,
  DEFAULT_MAX_CONNECTIONS,
  DEFAULT_MEMORY_BYTES,
  DEFAULT_PEER_PORT,
  DEFAULT_PEER_TIMEOUT_MS,
  DEFAULT_REGION,
  DEFAULT_S3_PORT,
  DEFAULT_WEIGHT,
  MAXIMUM_SET_SIZE,
  MINIMUM_CAPACITY_BYTES,
  MINIMUM_MEMORY_BYTES,
} from './defaults.ts';

const closed = { additionalProperties: false } as const;

/** `expected` is what an error message says instead of the pattern; `sensitive` values are never shown. */
const Hex32 = Type.String({ pattern: '^[0-9a-f]{32}$', expected: '32 lower-case hex digits' });
const Hex64 = Type.String({ pattern: '^[0-9a-f]{64}$', expected: '64 lower-case hex digits' });
const Name = Type.String({
  pattern: '^[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?$',
  expected: 'a lower-case DNS name',
});
const Address = Type.String({ minLength: 2, maxLength: 253, format: 'ip', expected: 'an IPv4 or IPv6 address' });
const Endpoint = Type.String({
  minLength: 4,
  maxLength: 260,
  format: 'ip-port',
  expected: 'address:port, as 10.0.0.1:9000 or [fd00::1]:9000',
});
const Port = Type.Integer({ minimum: 1, maximum: 65535 });
/** u32; node 0 is valid. */
const NodeId = Type.Integer({ minimum: 0, maximum: 4294967295 });
const TimeoutMs = (fallback: number) => Type.Integer({ minimum: 100, maximum: 3_600_000, default: fallback });

const Cluster = Type.Object(
  {
    /** Given once at creation; drives and peers of another id are refused. */
    id: Hex32,
    name: Name,
    region: Type.String({
      pattern: '^[a-z0-9][-a-z0-9]{0,62}$',
      expected: 'a region name such as us-east-1',
      default: DEFAULT_REGION,
    }),
    /** True only until every set was healthy once: only then may a set of blank drives form a cluster. */
    bootstrap: Type.Boolean({ default: false }),
  },
  closed,
);

const Layout = Type.Object(
  {
    /** Rises with each change of `[[sets]]`. */
    epoch: Type.Integer({ minimum: 1, maximum: 4294967295 }),
    /** SHA-256 over epoch and sets (node/layout/hash.ts): the same epoch never means two layouts. */
    hash: Hex64,
  },
  closed,
);

const Node = Type.Object({ id: NodeId, name: Name, address: Address }, closed);

const Listen = Type.Object(
  {
    /** Absent ones become node.address with ports 9000, 9001, 9002. */
    s3: Endpoint,
    peer: Endpoint,
    admin: Endpoint,
  },
  closed,
);

const Secrets = Type.Object(
  {
    /** The first one is offered, both are accepted: that is how a secret is changed without a stop. */
    peer_secrets: Type.Array(
      Type.String({
        pattern: '^[0-9a-f]{32,128}$',
        expected: '32 to 128 lower-case hex digits',
        sensitive: true,
      }),
      { minItems: 1, maxItems: 2 },
    ),
    admin_token: Type.String({
      pattern: '^[\\x21-\\x7e]{16,128}$',
      expected: '16 to 128 printable characters without spaces',
      sensitive: true,
    }),
  },
  closed,
);

const FilePath = Type.String({ pattern: '^/', maxLength: 4096, expected: 'an absolute path of a file' });

const PeerTls = Type.Object(
  {
    /** require: no link without TLS. accept: links to nodes without TLS (yet, or any more) too, while it is being introduced. */
    mode: Type.Enum(['require', 'accept'], { default: 'require' }),
    /** PEM: the certificate of this node, then those between it and the authority. */
    certificate_file: FilePath,
    key_file: FilePath,
    /** PEM: the authorities that issue certificates of this cluster's nodes. */
    ca_file: FilePath,
    /** What a node's certificate must be for; `{id}` stands for its id. Absent: its address in `[[nodes]]`. */
    name: Type.Optional(
      Type.String({
        pattern: '^[a-z0-9{]([-a-z0-9.{}]{0,251}[a-z0-9}])?$',
        expected: 'a lower-case DNS name, with {id} where the node id stands if it does',
      }),
    ),
  },
  closed,
);

const Credential = Type.Object(
  {
    access_key: Type.String({
      pattern: '^[A-Za-z0-9_.-]{3,128}$',
      expected: '3 to 128 letters, digits, "_", "." or "-"',
    }),
    secret_key: Type.String({
      pattern: '^[\\x21-\\x7e]{8,128}$',
      expected: '8 to 128 printable characters without spaces',
      sensitive: true,
    }),
  },
  closed,
);

const Drive = Type.Object(
  {
    /** A directory on XFS or ext4; exactly one of path and device. */
    path: Type.Optional(Type.String({ pattern: '^/', maxLength: 4096, expected: 'an absolute path of a directory' })),
    /** A whole raw block device. */
    device: Type.Optional(Type.String({ pattern: '^/', maxLength: 4096, expected: 'an absolute path of a block device' })),
    /** strict: the path is its own mount point, so that a missing mount is never taken for a blank drive.
     * directory: a plain folder, for trials. */
    mount_check: Type.Enum(['strict', 'directory'], { default: 'strict' }),
    /** What to do with a blank drive in a slot that was filled before. true: it replaces the lost one and is filled from the others;
     * false or absent: it is refused by name. */
    adopt_blank: Type.Optional(Type.Boolean()),
    /** Absent: all there is. */
    capacity_bytes: Type.Optional(Type.Integer({ minimum: MINIMUM_CAPACITY_BYTES })),
  },
  closed,
);

const Member = Type.Object(
  {
    id: NodeId,
    address: Address,
    s3_port: Type.Integer({ ...Port, default: DEFAULT_S3_PORT }),
    peer_port: Type.Integer({ ...Port, default: DEFAULT_PEER_PORT }),
    admin_port: Type.Integer({ ...Port, default: DEFAULT_ADMIN_PORT }),
  },
  closed,
);

const Slot = Type.Object({ node: NodeId, drive: Type.Integer({ minimum: 0, maximum: 63 }) }, closed);

const ErasureSet = Type.Object(
  {
    /** Unique in the cluster, never reused. */
    id: Type.Integer({ minimum: 0, maximum: 65535 }),
    pool: Name,
    /** k: shards that rebuild an object. */
    data: Type.Integer({ minimum: 1, maximum: MAXIMUM_SET_SIZE - 1 }),
    /** m: shards that may be lost. */
    parity: Type.Integer({ minimum: 1, maximum: MAXIMUM_SET_SIZE - 1 }),
    /** Share in placement; 0 takes no new objects. */
    weight: Type.Integer({ minimum: 0, maximum: 1_000_000, default: DEFAULT_WEIGHT }),
    /** Slot i stands at index i; data slots first. */
    slots: Type.Array(Slot, { minItems: 2, maxItems: MAXIMUM_SET_SIZE }),
  },
  closed,
);

const Io = Type.Object(
  {
    /** auto: io_uring where the kernel and the seccomp profile let us, else poll. */
    engine: Type.Enum(['auto', 'uring', 'poll'], { default: 'auto' }),
    /** Data-plane threads; auto: one per core that the process may run on. */
    cores: Type.Union([Type.Literal('auto'), Type.Integer({ minimum: 1, maximum: 256 })], { default: 'auto' }),
    /** Only where the process owns its cores: on shared ones pinning costs scheduler ticks. */
    pin: Type.Boolean({ default: false }),
    memory_bytes: Type.Integer({ minimum: MINIMUM_MEMORY_BYTES, default: DEFAULT_MEMORY_BYTES }),
  },
  closed,
);

const Limits = Type.Object(
  {
    max_connections: Type.Integer({ minimum: 16, maximum: 1_000_000, default: DEFAULT_MAX_CONNECTIONS }),
    head_timeout_ms: TimeoutMs(DEFAULT_HEAD_TIMEOUT_MS),
    idle_timeout_ms: TimeoutMs(DEFAULT_IDLE_TIMEOUT_MS),
    body_timeout_ms: TimeoutMs(DEFAULT_BODY_TIMEOUT_MS),
    peer_timeout_ms: TimeoutMs(DEFAULT_PEER_TIMEOUT_MS),
    drain_delay_ms: Type.Integer({ minimum: 0, maximum: 60_000, default: DEFAULT_DRAIN_DELAY_MS }),
    drain_timeout_ms: TimeoutMs(DEFAULT_DRAIN_TIMEOUT_MS),
  },
  closed,
);

const Log = Type.Object({ level: Type.Enum(['error', 'warn', 'info', 'debug', 'trace'], { default: 'info' }) }, closed);

export const NodeConfigSchema = Type.Object(
  {
    cluster: Cluster,
    layout: Layout,
    node: Node,
    listen: Listen,
    secrets: Secrets,
    /** Absent: links between nodes are authenticated, but not encrypted. */
    peer_tls: Type.Optional(PeerTls),
    /** Root identities; the first is used, both are valid. */
    credentials: Type.Array(Credential, { minItems: 1, maxItems: 2 }),
    drives: Type.Array(Drive, { minItems: 1, maxItems: 64 }),
    nodes: Type.Array(Member, { minItems: 1, maxItems: 128 }),
    sets: Type.Array(ErasureSet, { minItems: 1, maxItems: 4096 }),
    io: Io,
    limits: Limits,
    log: Log,
  },
  closed,
);

export type NodeConfig = Type.Static<typeof NodeConfigSchema>;
export type PeerTlsConfig = Type.Static<typeof PeerTls>;
export type DriveConfig = NodeConfig['drives'][number];
export type SetConfig = NodeConfig['sets'][number];
