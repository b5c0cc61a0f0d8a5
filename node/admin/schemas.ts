/**
 * What the admin API answers. The operator's client uses these types, the OpenAPI document is made of these schemas.
 */
import { Type } from 'typebox';

const closed = { additionalProperties: false } as const;

/** Healthy: all slots vote. Degraded: at least W. ReadOnly: at least R. Offline: fewer. Unknown: this node has no view. */
export const SetState = Type.Enum(['Healthy', 'Degraded', 'ReadOnly', 'Offline', 'Unknown']);
export const SlotState = Type.Enum(['Serving', 'Unreachable', 'Failed']);

export const SlotView = Type.Object(
  {
    slot: Type.Integer(),
    nodeId: Type.Integer(),
    /** The drive's place in its node's list. */
    drive: Type.Integer(),
    state: SlotState,
    /** Empty while it serves. */
    reason: Type.String(),
  },
  closed,
);

export const SetView = Type.Object(
  {
    id: Type.Integer(),
    /** k and m. */
    data: Type.Integer(),
    parity: Type.Integer(),
    /** W and R. */
    writeQuorum: Type.Integer(),
    readQuorum: Type.Integer(),
    /** Slots that take part, as this node sees it. */
    voting: Type.Integer(),
    state: SetState,
    slots: Type.Array(SlotView),
  },
  closed,
);

/** GET /v1/sets: this node's own view of every set. */
export const SetsView = Type.Object({ sets: Type.Array(SetView) }, closed);

export const DriveView = Type.Object(
  {
    index: Type.Integer(),
    path: Type.String(),
    /** Healthy, Suspect, Failed; Unused without a slot. */
    state: Type.Enum(['Healthy', 'Suspect', 'Failed', 'Unused']),
    reason: Type.String(),
    setId: Type.Union([Type.Integer(), Type.Null()]),
    slot: Type.Union([Type.Integer(), Type.Null()]),
    capacityBytes: Type.Number(),
    usedBytes: Type.Number(),
    durabilityClass: Type.String(),
  },
  closed,
);

/** GET /v1/info: what this node is and runs on. */
export const InfoView = Type.Object(
  {
    node: Type.Object({ id: Type.Integer(), name: Type.String() }, closed),
    version: Type.String(),
    engine: Type.Object({ kind: Type.String(), reason: Type.String() }, closed),
    cores: Type.Integer(),
    uptimeSeconds: Type.Number(),
    ready: Type.Boolean(),
    drives: Type.Array(DriveView),
    cluster: Type.Object({ id: Type.String(), name: Type.String(), bootstrapped: Type.Boolean() }, closed),
  },
  closed,
);

/** GET /v1/config: which configuration is in force, without any secret. */
export const ConfigView = Type.Object(
  {
    /** Hash of the configuration file that was applied last (node/config/hash.ts). */
    hash: Type.String(),
    epoch: Type.Integer(),
    /** Keys of the file that differ from what the process started with and wait for a restart. */
    restartKeys: Type.Array(Type.String()),
    /** Why the newest file is not in force; empty when it is. */
    refusal: Type.String(),
  },
  closed,
);

/** POST /v1/drain */
export const DrainView = Type.Object({ draining: Type.Boolean() }, closed);

/** Every answer that is not a success. */
export const ErrorView = Type.Object({ error: Type.String() }, closed);

export type SetState = Type.Static<typeof SetState>;
export type SlotView = Type.Static<typeof SlotView>;
export type SetView = Type.Static<typeof SetView>;
export type SetsView = Type.Static<typeof SetsView>;
export type DriveView = Type.Static<typeof DriveView>;
export type InfoView = Type.Static<typeof InfoView>;
export type ConfigView = Type.Static<typeof ConfigView>;
export type DrainView = Type.Static<typeof DrainView>;
