/**
 * What the admin API answers. The operator's client uses these types, the OpenAPI document is made of these schemas.
 */
import { Type } from 'typebox';

const closed = { additionalProperties: false } as const;

/** Healthy: all slots vote. Degraded: at least W. ReadOnly: at least R. Offline: fewer. Unknown: this node has no view. */
export const SetState = Type.Enum(['Healthy', 'Degraded', 'ReadOnly', 'Offline', 'Unknown']);
/** Failed: its node says that the drive takes no part, and for which reason. */
export const SlotState = Type.Enum(['Serving', 'Unreachable', 'Failed']);

/**
 * How far a drive is from holding all that its slot should. Whole: nothing to heal. Blank: a replacement that waits for its adoption. Dirty:
 * adopted and being filled; what it lacks is unknown. Healing: it gets what it missed while it was away, or damaged blocks again.
 */
export const HealState = Type.Enum(['Whole', 'Blank', 'Dirty', 'Healing']);

export const SlotView = Type.Object(
  {
    slot: Type.Integer(),
    nodeId: Type.Integer(),
    /** The drive's place in its node's list. */
    drive: Type.Integer(),
    state: SlotState,
    /** Empty while it serves. */
    reason: Type.String(),
    /** Of this node's own slots; others know of theirs. */
    heal: Type.Optional(HealState),
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

/** The link from this node to another one. */
export const PeerView = Type.Object({ nodeId: Type.Integer(), connected: Type.Boolean(), encrypted: Type.Boolean() }, closed);

/** GET /v1/sets: this node's own view of every set. */
export const SetsView = Type.Object(
  {
    sets: Type.Array(SetView),
    /** Keys of which this node remembers that a slot elsewhere missed them. */
    hintsHeld: Type.Optional(Type.Integer()),
    /** Links to the nodes that it has tried to reach. */
    peers: Type.Optional(Type.Array(PeerView)),
  },
  closed,
);

export const DriveHealView = Type.Object(
  {
    index: Type.Integer(),
    setId: Type.Integer(),
    slot: Type.Integer(),
    state: HealState,
    /** What it waits for; empty if for nothing. */
    reason: Type.String(),
    /** Shards and bytes written by healing since the process started, and tries that failed (made again later). */
    objectsTotal: Type.Number(),
    bytesTotal: Type.Number(),
    failedTotal: Type.Number(),
    /** Estimates of what is left of the pass under way. */
    objectsLeft: Type.Number(),
    bytesLeft: Type.Number(),
    /** At the pace so far; null while nothing is left or no pace is known. */
    secondsLeft: Type.Union([Type.Number(), Type.Null()]),
    /** Keys that wait to be looked at: missed while the drive was away, and with a block that was found damaged. */
    hintsWaiting: Type.Number(),
    damagedWaiting: Type.Number(),
    /** Fewest sound shards of any object met in the last pass, of all that the set has; null before the first pass. */
    leastShards: Type.Union([Type.Integer(), Type.Null()]),
    allShards: Type.Integer(),
    /** What the scrub read, found damaged, found different from other drives, and whole passes over the drive. */
    scrub: Type.Object(
      { objects: Type.Number(), bytes: Type.Number(), damaged: Type.Number(), differences: Type.Number(), passes: Type.Number() },
      closed,
    ),
  },
  closed,
);

/** GET /v1/heal: what this node's drives lack, and how far their healing is. */
export const HealView = Type.Object(
  {
    /** Nothing of this node waits to be healed. */
    whole: Type.Boolean(),
    drives: Type.Array(DriveHealView),
    /** Keys of which this node remembers that a slot elsewhere missed them. */
    hintsHeld: Type.Integer(),
  },
  closed,
);

export const DriveView = Type.Object(
  {
    index: Type.Integer(),
    path: Type.String(),
    /** Healthy, Suspect, Failed; Rebuilding: it joins its set when its index is made anew; Unused without a slot. */
    state: Type.Enum(['Healthy', 'Suspect', 'Rebuilding', 'Failed', 'Unused']),
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
export type HealState = Type.Static<typeof HealState>;
export type DriveHealView = Type.Static<typeof DriveHealView>;
export type HealView = Type.Static<typeof HealView>;
export type SlotView = Type.Static<typeof SlotView>;
export type SetView = Type.Static<typeof SetView>;
export type PeerView = Type.Static<typeof PeerView>;
export type SetsView = Type.Static<typeof SetsView>;
export type DriveView = Type.Static<typeof DriveView>;
export type InfoView = Type.Static<typeof InfoView>;
export type ConfigView = Type.Static<typeof ConfigView>;
export type DrainView = Type.Static<typeof DrainView>;
