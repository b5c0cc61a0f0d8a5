/** A small valid configuration for tests, and arbitrary ones for property tests. */
import fc from 'fast-check';
import type { NodeConfig } from '../../../node/config/schema.ts';
import { layoutHash } from '../../../node/layout/hash.ts';
import { layoutPool } from '../../../node/layout/layout.ts';

/** Four nodes with one drive each, 2+2, seen from node `id`. */
export function sampleConfig(id = 0): NodeConfig {
  const nodes = [0, 1, 2, 3].map((member) => ({
    id: member,
    address: `10.0.0.${member + 1}`,
    s3_port: 9000,
    peer_port: 9001,
    admin_port: 9002,
  }));
  const sets = layoutPool({
    pool: 'p0',
    nodes: nodes.map((node) => ({ id: node.id, zone: 'z' })),
    drivesPerNode: 1,
    data: 2,
    parity: 2,
    weight: 100,
    firstSetId: 0,
  }).map((set) => ({ ...set, slots: [...set.slots] }));
  const address = `10.0.0.${id + 1}`;
  return {
    cluster: { id: '0123456789abcdef0123456789abcdef', name: 'sample', region: 'us-east-1', bootstrap: true },
    layout: { epoch: 1, hash: layoutHash({ epoch: 1, sets }) },
    node: { id, name: `p0-${id}`, address },
    listen: { s3: `${address}:9000`, peer: `${address}:9001`, admin: `${address}:9002` },
    secrets: { peer_secrets: ['ab'.repeat(32)], admin_token: 'token-of-the-sample-cluster' },
    credentials: [{ access_key: 'AKIASAMPLE', secret_key: 'sample-secret-key' }],
    drives: [{ path: `/data/p0-${id}/d0`, mount_check: 'directory' }],
    nodes,
    sets,
    io: { engine: 'auto', cores: 'auto', pin: false, memory_bytes: 268435456 },
    limits: {
      max_connections: 4096,
      head_timeout_ms: 10000,
      idle_timeout_ms: 75000,
      body_timeout_ms: 60000,
      peer_timeout_ms: 5000,
      drain_delay_ms: 3000,
      drain_timeout_ms: 20000,
    },
    log: { level: 'info' },
  };
}

const printable = (minLength: number, maxLength: number): fc.Arbitrary<string> =>
  fc.string({ unit: fc.integer({ min: 0x21, max: 0x7e }).map((code) => String.fromCharCode(code)), minLength, maxLength });

/** Valid configurations that differ in everything a user can choose. */
export const anyConfig: fc.Arbitrary<NodeConfig> = fc
  .record({
    nodes: fc.integer({ min: 3, max: 9 }),
    drives: fc.integer({ min: 1, max: 4 }),
    self: fc.nat(),
    epoch: fc.integer({ min: 1, max: 4294967295 }),
    bootstrap: fc.boolean(),
    secret: printable(8, 64),
    token: printable(16, 64),
    cores: fc.oneof(fc.constant('auto' as const), fc.integer({ min: 1, max: 256 })),
    engine: fc.constantFrom('auto' as const, 'uring' as const, 'poll' as const),
    memory: fc.integer({ min: 64 * 1024 * 1024, max: Number.MAX_SAFE_INTEGER }),
    capacity: fc.option(fc.integer({ min: 64 * 1024 * 1024, max: Number.MAX_SAFE_INTEGER }), { nil: undefined }),
    folder: fc.string({ unit: 'grapheme', minLength: 1, maxLength: 20 }).filter((text) => !/[./\0]/.test(text)),
    device: fc.boolean(),
    weight: fc.integer({ min: 0, max: 1_000_000 }),
  })
  .map((choice): NodeConfig => {
    const base = sampleConfig();
    const nodes = Array.from({ length: choice.nodes }, (_, id) => ({
      id,
      address: id % 2 === 0 ? `10.0.0.${id + 1}` : `fd00::${id + 1}`,
      s3_port: 9000,
      peer_port: 9001,
      admin_port: 9002,
    }));
    const size = choice.nodes;
    const sets = layoutPool({
      pool: 'p0',
      nodes: nodes.map((node) => ({ id: node.id, zone: 'z' })),
      drivesPerNode: choice.drives,
      data: size - 1,
      parity: 1,
      weight: choice.weight,
      firstSetId: 0,
    }).map((set) => ({ ...set, slots: [...set.slots] }));
    const self = choice.self % choice.nodes;
    const address = nodes[self]?.address ?? '';
    const host = address.includes(':') ? `[${address}]` : address;
    return {
      ...base,
      cluster: { ...base.cluster, bootstrap: choice.bootstrap },
      layout: { epoch: choice.epoch, hash: layoutHash({ epoch: choice.epoch, sets }) },
      node: { id: self, name: `p0-${self}`, address },
      listen: { s3: `${host}:9000`, peer: `${host}:9001`, admin: `${host}:9002` },
      secrets: { peer_secrets: ['cd'.repeat(16), 'ef'.repeat(64)], admin_token: choice.token },
      credentials: [{ access_key: 'A.b-c_9', secret_key: choice.secret }],
      drives: Array.from({ length: choice.drives }, (_, index) => ({
        ...(choice.device ? { device: `/dev/${choice.folder}${index}` } : { path: `/data/${choice.folder}${index}` }),
        mount_check: 'strict' as const,
        ...(choice.capacity === undefined ? {} : { capacity_bytes: choice.capacity }),
      })),
      nodes,
      sets,
      io: { engine: choice.engine, cores: choice.cores, pin: true, memory_bytes: choice.memory },
    };
  });
