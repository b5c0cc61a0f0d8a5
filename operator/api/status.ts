/**
 * The status of an OpenLakeCluster: what was decided once and must never be decided again (ids, members, layout, the
 * bootstrap latch), and what was seen last (sets, conditions).
 */
import { Type } from 'typebox';

const Losses = Type.Object({ drives: Type.Integer(), nodes: Type.Integer() });

const Member = Type.Object({
  id: Type.Integer({ minimum: 0, maximum: 4294967295, description: 'For ever; never reused.' }),
  pool: Type.String({ maxLength: 20 }),
  nodeName: Type.String({ maxLength: 253 }),
  address: Type.String({ maxLength: 253 }),
  zone: Type.String({ maxLength: 253 }),
  state: Type.Optional(Type.Enum(['Joining', 'Starting', 'Serving', 'CatchingUp', 'Unreachable', 'Maintenance', 'Failed', 'Removed'])),
  reason: Type.Optional(Type.String({ maxLength: 64 })),
  message: Type.Optional(Type.String({ maxLength: 512 })),
  podName: Type.Optional(Type.String({ maxLength: 253 })),
  revision: Type.Optional(Type.String({ maxLength: 64, description: 'Of the pod template that its pod was made from.' })),
  configHash: Type.Optional(Type.String({ maxLength: 64, description: 'Of the configuration in force, as the node says.' })),
  engine: Type.Optional(Type.String({ maxLength: 32 })),
});

/** Which restart of pods is under way, or was the last one. */
const Rollout = Type.Object({
  id: Type.String({ maxLength: 64 }),
  done: Type.Integer(),
  total: Type.Integer(),
  current: Type.Optional(Type.Integer({ description: 'The member that is being restarted; written before its pod is deleted.' })),
  currentSince: Type.Optional(Type.String({ maxLength: 40 })),
  first: Type.Optional(Type.Integer({ description: 'The canary.' })),
  blockedReason: Type.Optional(Type.String({ maxLength: 64 })),
  blockedMessage: Type.Optional(Type.String({ maxLength: 512 })),
});

const SetAssignment = Type.Object({
  id: Type.Integer({ minimum: 0, maximum: 65535 }),
  pool: Type.String({ maxLength: 20 }),
  data: Type.Integer({ minimum: 1, maximum: 15 }),
  parity: Type.Integer({ minimum: 1, maximum: 15 }),
  weight: Type.Integer({ minimum: 0, maximum: 1_000_000 }),
  slots: Type.Array(Type.String({ pattern: '^[0-9]{1,10}/[0-9]{1,2}$', maxLength: 13 }), {
    maxItems: 16,
    description: 'node id/drive of each slot: compact, as there may be thousands.',
  }),
});

const PoolTolerance = Type.Object({
  name: Type.String({ maxLength: 20 }),
  setSize: Type.Integer(),
  parity: Type.Integer(),
  writeQuorum: Type.Integer(),
  readQuorum: Type.Integer(),
  writesLose: Losses,
  readsLose: Losses,
});

export const LayoutSchema = Type.Object({
  epoch: Type.Integer({ minimum: 1, maximum: 4294967295 }),
  hash: Type.String({ maxLength: 64 }),
  sets: Type.Array(SetAssignment, { maxItems: 4096 }),
  pools: Type.Array(PoolTolerance, { maxItems: 16 }),
});

export const SET_STATES = ['Healthy', 'Degraded', 'ReadOnly', 'Offline', 'Unknown'] as const;

const Condition = Type.Object({
  type: Type.String({ maxLength: 64 }),
  status: Type.Enum(['True', 'False', 'Unknown']),
  reason: Type.String({ maxLength: 64 }),
  message: Type.String({ maxLength: 1024 }),
  observedGeneration: Type.Optional(Type.Integer()),
  lastTransitionTime: Type.String({ maxLength: 40, format: 'date-time' }),
});

export const StatusSchema = Type.Object(
  {
    observedGeneration: Type.Integer({ default: -1 }),
    phase: Type.Optional(Type.Enum(['Pending', 'Starting', 'Ready', 'Degraded', 'Failed', 'Stopped'])),
    bootstrapped: Type.Optional(Type.Boolean({ description: 'Every set was Healthy once. Never becomes false again.' })),
    clusterId: Type.Optional(Type.String({ maxLength: 32 })),
    layout: Type.Optional(LayoutSchema),
    members: Type.Optional(Type.Array(Member, { maxItems: 256, 'x-kubernetes-list-type': 'map', 'x-kubernetes-list-map-keys': ['id'] })),
    membersReady: Type.Optional(Type.String({ maxLength: 16, description: 'Serving members / all members.' })),
    sets: Type.Optional(
      Type.Array(
        Type.Object({
          id: Type.Integer(),
          state: Type.Enum([...SET_STATES]),
          voting: Type.Integer(),
          reason: Type.Optional(Type.String({ maxLength: 512 })),
        }),
        { maxItems: 50, description: 'The first 50 that are not Healthy.' },
      ),
    ),
    setCounts: Type.Optional(
      Type.Object({
        healthy: Type.Integer(),
        degraded: Type.Integer(),
        readOnly: Type.Integer(),
        offline: Type.Integer(),
        unknown: Type.Integer(),
      }),
    ),
    candidates: Type.Optional(
      Type.Array(
        Type.Object({
          nodeName: Type.String({ maxLength: 253 }),
          pool: Type.String({ maxLength: 20 }),
          reason: Type.String({ maxLength: 1024 }),
        }),
        { maxItems: 50, description: 'While nodes are short: nodes that were passed over, and why.' },
      ),
    ),
    rollout: Type.Optional(Rollout),
    rdma: Type.Optional(
      Type.Array(Type.Object({ pool: Type.String({ maxLength: 20 }), resource: Type.String({ maxLength: 255 }) }), {
        maxItems: 16,
        description: 'Device-plugin resources that were chosen for pools together with their members.',
      }),
    ),
    certificates: Type.Optional(
      Type.Array(Type.Object({ name: Type.String({ maxLength: 253 }), notAfter: Type.String({ maxLength: 40 }) }), {
        maxItems: 4,
        description: 'Certificates that nodes are told to show, by the Secret that they come from.',
      }),
    ),
    config: Type.Optional(Type.Object({ hash: Type.String({ maxLength: 64 }), bytes: Type.Integer() })),
    setsHealthy: Type.Optional(Type.String({ maxLength: 16, description: 'Healthy sets / all sets.' })),
    writable: Type.Optional(Type.Boolean()),
    version: Type.Optional(
      Type.Object({ target: Type.Optional(Type.String({ maxLength: 48 })), current: Type.Optional(Type.String({ maxLength: 48 })) }),
    ),
    endpoints: Type.Optional(
      Type.Object({ s3: Type.Optional(Type.String({ maxLength: 300 })), admin: Type.Optional(Type.String({ maxLength: 300 })) }),
    ),
    conditions: Type.Optional(
      Type.Array(Condition, { maxItems: 32, 'x-kubernetes-list-type': 'map', 'x-kubernetes-list-map-keys': ['type'] }),
    ),
  },
  { default: { observedGeneration: -1 } },
);

export type ClusterStatus = Type.Static<typeof StatusSchema>;
export type Condition = Type.Static<typeof Condition>;
export type RolloutStatus = Type.Static<typeof Rollout>;
export type MemberStatus = Type.Static<typeof Member>;
export type LayoutStatus = Type.Static<typeof LayoutSchema>;
