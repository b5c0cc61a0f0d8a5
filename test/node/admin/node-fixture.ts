/** A node's state by hand: what the admin API shows is decided by the test. */
import type { NodeState } from '../../../node/admin/node-state.ts';
import type { EngineStatus } from '../../../node/engine/addon.ts';
import { sampleConfig } from '../config/sample-config.ts';

export const TOKEN = sampleConfig().secrets.admin_token;

/** Node 0 of four with all links up and its one drive healthy. */
export function healthyStatus(): EngineStatus {
  return {
    engineKind: 'uring',
    engineReason: 'io_uring works here',
    cores: 2,
    liveCores: 2,
    boot: 1_700_000_000,
    loaded: true,
    connections: 3,
    connectionsTotal: 10,
    controlWaiting: 0,
    controlRefused: 0,
    drives: [
      {
        index: 0,
        path: '/data/p0-0/d0',
        set: 0,
        slot: 0,
        core: 0,
        state: 'Healthy',
        reason: '',
        generation: 1,
        durabilityClass: 'flush',
        healState: 'whole',
        healReason: '',
        counters: [
          { name: 'keys', value: 5 },
          { name: 'capacity_bytes', value: 1000 },
          { name: 'used_bytes', value: 100 },
          { name: 'reads', value: 7 },
          { name: 'read_bytes', value: 28_672 },
          { name: 'memory_limit_index_bytes', value: 64_000 },
          { name: 'memory_rows_bytes', value: 500 },
          { name: 'memory_filters_bytes', value: 60 },
          { name: 'memory_cache_bytes', value: 7000 },
          { name: 'memory_log_bytes', value: 8 },
        ],
      },
    ],
    peers: [1, 2, 3].map((node) => ({ node, connected: true, encrypted: false, reason: '', roundTripUs: 150 })),
    operations: [{ name: 'GetObject', requests: 4, errors: 1, requestBytes: 0, responseBytes: 4096, microseconds: 2_000_000 }],
    memory: [
      { name: 'buffers', value: 4096 },
      { name: 'kept', value: 8192 },
    ],
  };
}

/** State that a test may override in part. */
export function nodeState(overrides: Partial<NodeState> = {}): NodeState {
  return {
    version: '1.2.3',
    config: () => sampleConfig(),
    configState: () => ({ hash: 'abc', restartKeys: ['io.cores'], refusal: '' }),
    readiness: () => ({ ready: true, reason: '' }),
    isBootstrapped: () => true,
    uptimeSeconds: () => 12.5,
    status: async () => healthyStatus(),
    samples: () => [{ metric: 'controlRequests', labels: { operation: 'ListBuckets', status: '200' }, value: 2 }],
    drain: () => undefined,
    ...overrides,
  };
}
