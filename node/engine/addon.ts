/**
 * Loads the data plane. The only file that does, and the only description of what it exports.
 *
 * The types here are those of `native/addon/src/{lib,config,convert,status,drive_tool}.rs`, field by field. Nothing of this is used
 * outside of node/engine: primitives.ts gives it a shape that fits TypeScript.
 */
import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';
import type { PeerTls } from '../config/peer-tls.ts';

/** Where the build puts the data plane. */
const ADDON_FILE = fileURLToPath(new URL('../../native/openlake.node', import.meta.url));

/** What `startEngine` takes. */
export type EngineConfig = {
  /** 32 hex digits. */
  readonly cluster: string;
  readonly node: number;
  readonly bootstrap: boolean;
  /** Hex, one or two; the first signs. */
  readonly peerSecrets: readonly string[];
  /** Absent: links without TLS. */
  readonly peerTls?: PeerTls | undefined;
  /** `address:port`. */
  readonly listenS3: string;
  readonly listenPeer: string;
  readonly engine: 'auto' | 'uring' | 'poll';
  /** 0: chosen by the cores that there are. */
  readonly cores: number;
  readonly pin: boolean;
  readonly memoryBytes: number;
  readonly deadlineMs: number;
  readonly drives: readonly {
    readonly index: number;
    readonly path: string;
    readonly set: number;
    readonly slot: number;
    readonly mustBeMount: boolean;
    /** A blank drive in a slot that was filled before replaces the lost one and is healed; otherwise it is refused. */
    readonly adoptBlank: boolean;
    /** 0: all there is. */
    readonly capacityBytes: number;
  }[];
  readonly layout: LayoutConfig;
};

/** Sets, and where the peer ports of their nodes are. */
export type LayoutConfig = {
  readonly epoch: number;
  readonly hash: string;
  readonly sets: readonly {
    readonly id: number;
    readonly data: number;
    readonly parity: number;
    readonly weight: number;
    readonly slots: readonly { readonly node: number; readonly drive: number }[];
  }[];
  readonly nodes: readonly { readonly id: number; readonly address: string }[];
};

/** A control request as it crosses; `query` and `headers` are name, value, name, value, ... */
export type RawRequest = {
  readonly id: number;
  readonly requestId: string;
  readonly method: string;
  readonly bucket?: string | null;
  readonly key?: string | null;
  readonly query: readonly string[];
  readonly headers: readonly string[];
  readonly body: Buffer;
  readonly accessKey: string;
};

/** The end of a call: `code` when it failed, otherwise at most one of the others. */
export type RawCompletion = {
  readonly id: number;
  readonly code?: string | null;
  readonly message?: string | null;
  readonly flag?: boolean | null;
  readonly page?: Buffer | null;
  readonly head?: RawHead | null;
  readonly upload?: string | null;
  readonly buckets?: readonly { readonly name: string; readonly createdMs: number }[] | null;
  readonly parts?: readonly RawPart[] | null;
  readonly status?: EngineStatus | null;
};

/** An object's head; `metadata` is name, value, name, value, ... */
export type RawHead = {
  readonly size: number;
  readonly etag: string;
  readonly lastModifiedMs: number;
  readonly metadata: readonly string[];
};

/** A part; size and time only as stored. */
export type RawPart = {
  readonly number: number;
  readonly etag: string;
  readonly size?: number | null;
  readonly lastModifiedMs?: number | null;
  /** Header name and base64 value of the checksum that it was sent with. */
  readonly checksum?: readonly string[] | null;
};

/** Something that happened unasked; fatal: no drive is left. */
export type Notice = { readonly fatal: boolean; readonly message: string };

export type RawBatch = {
  readonly requests: readonly RawRequest[];
  readonly completions: readonly RawCompletion[];
  readonly notices: readonly Notice[];
};

/** State and counters of the data plane. */
export type EngineStatus = {
  readonly engineKind: string;
  readonly engineReason: string;
  readonly cores: number;
  readonly liveCores: number;
  /** The node's boot number. */
  readonly boot: number;
  /** Whether the bucket table was read since the start. */
  readonly loaded: boolean;
  readonly connections: number;
  readonly connectionsTotal: number;
  readonly controlWaiting: number;
  readonly controlRefused: number;
  readonly drives: readonly DriveStatus[];
  readonly peers: readonly PeerStatus[];
  /** One row an operation: requests, those with a status of 500 or more, bytes both ways, summed time. */
  readonly operations: readonly {
    readonly name: string;
    readonly requests: number;
    readonly errors: number;
    readonly requestBytes: number;
    readonly responseBytes: number;
    readonly microseconds: number;
  }[];
  /** Bytes of the data plane's buffers: in use, and kept for the next ones. What drives take, they say themselves. */
  readonly memory: readonly { readonly name: string; readonly value: number }[];
};

export type DriveStatus = {
  readonly index: number;
  readonly path: string;
  readonly set: number;
  readonly slot: number;
  readonly core: number;
  /** Rebuilding: it answers nothing yet, as its index is made anew from its log. */
  readonly state: 'Healthy' | 'Suspect' | 'Rebuilding' | 'Failed';
  readonly reason: string;
  readonly generation: number;
  readonly durabilityClass: string;
  /**
   * whole: nothing to heal. blank: a replacement that waits for its adoption. dirty: adopted and being filled. healing: it gets what it
   * missed while it was away, or damaged blocks again, or it was not compared with the others of its set yet. Empty: not looked at yet.
   */
  readonly healState: '' | 'whole' | 'blank' | 'dirty' | 'healing';
  /** What healing waits for; empty if for nothing. */
  readonly healReason: string;
  readonly counters: readonly { readonly name: string; readonly value: number }[];
};

export type PeerStatus = {
  readonly node: number;
  readonly connected: boolean;
  /** The link runs over TLS. */
  readonly encrypted: boolean;
  readonly reason: string;
  readonly roundTripUs: number;
};

/** The engine's handle. Calls with a number return at once; their ends come back with `take`. */
export type NativeEngine = {
  take(): RawBatch;
  heartbeat(): void;
  reply(id: number, status: number, headers: readonly string[], body: Buffer): void;
  setTables(tables: Buffer): number;
  reload(peerSecrets: readonly string[], peerTls: PeerTls | undefined, layout: LayoutConfig): void;
  open(): void;
  join(call: number): void;
  joinStatus(): string;
  drain(call: number): void;
  stop(call: number): void;
  release(): void;
  status(call: number): void;
  listObjects(call: number, bucket: string, prefix: Buffer, delimiter: Buffer, after: Buffer, limit: number): void;
  headObject(call: number, bucket: string, key: string): void;
  deleteObject(call: number, bucket: string, key: string, condition: RawCondition): void;
  headBucket(call: number, bucket: string): void;
  createBucket(call: number, bucket: string): void;
  deleteBucket(call: number, bucket: string): void;
  listBuckets(call: number): void;
  createUpload(call: number, bucket: string, key: string, metadata: readonly string[]): void;
  listUploads(call: number, bucket: string, prefix: Buffer, delimiter: Buffer, after: Buffer, limit: number): void;
  listParts(call: number, bucket: string, key: string, upload: string): void;
  completeUpload(call: number, bucket: string, key: string, upload: string, parts: readonly RawPart[], condition: RawCondition): void;
  abortUpload(call: number, bucket: string, key: string, upload: string): void;
};

/** When a write may take effect: at most one of the first three, and for a Complete the checksum's header and value. */
export type RawCondition = {
  readonly absent: boolean;
  readonly exists?: boolean;
  readonly matches?: string;
  readonly checksum?: readonly string[];
};

/** A run of the load generator; `mix` is put, get, head, delete, list or mixed. */
export type BenchConfig = {
  /** Numeric addresses with ports, and the Host header each expects. */
  readonly endpoints: readonly { readonly address: string; readonly host: string }[];
  readonly accessKey: string;
  readonly secretKey: string;
  readonly region: string;
  readonly bucket: string;
  readonly prefix: string;
  readonly mix: string;
  readonly sizeBytes: number;
  readonly objects: number;
  readonly concurrency: number;
  readonly threads: number;
  readonly durationMs?: number;
  readonly count?: number;
  readonly prepared: boolean;
  readonly verify: boolean;
  readonly seed: number;
  readonly retries: number;
  readonly cleanup: boolean;
};

/** What came of one kind of operation; latencies in microseconds. */
export type BenchFigures = {
  readonly name: string;
  readonly count: number;
  readonly errors: number;
  readonly retries: number;
  readonly bytes: number;
  readonly meanUs: number;
  readonly p50Us: number;
  readonly p90Us: number;
  readonly p99Us: number;
  readonly p999Us: number;
  readonly maxUs: number;
};

/** A finished run. `violations`: answers that no correct store could have given. */
export type BenchReport = {
  readonly elapsedMs: number;
  readonly operations: readonly BenchFigures[];
  readonly violations: number;
  readonly failures: readonly string[];
};

/** A drive to be made in `path` (an empty directory or a blank device) and measured. */
export type DriveBenchConfig = {
  readonly path: string;
  readonly count: number;
  readonly sizeBytes: number;
  readonly concurrency: number;
  /** Shards of 1 MiB to append. */
  readonly bulkCount: number;
  readonly cacheBytes: number;
  readonly indexBytes: number;
  readonly capacityBytes?: number;
};

/** A measured drive; `floor` phases are of the bare disk. */
export type DriveBenchReport = {
  readonly phases: readonly {
    readonly floor: boolean;
    readonly perSecond: number;
    readonly processorUs: number;
    readonly figures: BenchFigures;
  }[];
  readonly durabilityClass: string;
  readonly keys: number;
  readonly usedBytes: number;
  /** Memory of the index with all records in it. */
  readonly indexUsedBytes: number;
  readonly recordsPerBatch: number;
  readonly openCleanMs: number;
  readonly openCrashedMs: number;
};

/** What is on a drive that no node has open. */
export type DriveInspection = {
  /** 32 hex digits. */
  readonly cluster: string;
  readonly drive: string;
  readonly set: number;
  readonly slot: number;
  readonly generation: number;
  readonly setEpoch: number;
  /** `Healthy` or `Suspect`, and why. */
  readonly state: string;
  readonly reason: string;
  readonly boot: number;
  readonly driveFloor: string;
  /** Up to this ballot a missing record is unknown; none: the drive is clean. */
  readonly dirty?: string | null;
  readonly segmentBytes: number;
  readonly segments: number;
  readonly granuleBytes: number;
  readonly containerBytes: number;
  readonly madeSegments: number;
  readonly capacityBytes: number;
  readonly usedBytes: number;
  readonly logSegments: number;
  readonly liveLogBytes: number;
  readonly bulkSegments: number;
  readonly bulkBytes: number;
  readonly keys: number;
  /** Newest first. */
  readonly roots: readonly {
    readonly sequence: number;
    readonly clean: boolean;
    readonly rebuild: boolean;
    readonly lastSequence: number;
    /** None: the root names no checkpoint, or (`hasManifest`) one that is unreadable. */
    readonly checkpoint?: number | null;
    readonly hasManifest: boolean;
    readonly logSegment: number;
    readonly logOffset: number;
    readonly logGeneration: number;
  }[];
  /** Runs of the index, newest first; ids are 16 hex digits. */
  readonly runs: readonly {
    readonly id: string;
    readonly level: number;
    readonly entries: number;
    readonly bytes: number;
    readonly extents: number;
  }[];
  readonly replayedSegments: number;
  readonly lastSequence: number;
  /** Why not from the newest checkpoint, if so; damage found in the log. */
  readonly notes: readonly string[];
};

/** What a verification read, and what is wrong: all errors are counted, the first hundred are told. */
export type DriveVerification = {
  readonly rows: number;
  readonly records: number;
  readonly bulkExtents: number;
  readonly logSegments: number;
  readonly errorCount: number;
  readonly errors: readonly string[];
};

/** What a rebuild of an index made. */
export type DriveRebuilt = { readonly state: string; readonly reason: string; readonly keys: number; readonly boot: number };

export type NativeModule = {
  startEngine(call: number, config: EngineConfig, tables: Buffer, wake: () => void): NativeEngine;
  /** Codes of the errors that the data plane sends by itself. */
  errorCodes(): readonly { readonly code: string; readonly status: number }[];
  runBench(config: BenchConfig, progress: (progress: { operations: number; bytes: number; errors: number }) => void): Promise<BenchReport>;
  runDriveBench(config: DriveBenchConfig): Promise<DriveBenchReport>;
  /** Answers every request on an address with a fixed body until the process ends; returns the bound `address:port`. */
  startResponder(address: string, bodyBytes: number): string;
  inspectDrive(path: string): Promise<DriveInspection>;
  verifyDrive(path: string): Promise<DriveVerification>;
  rebuildDriveIndex(path: string): Promise<DriveRebuilt>;
  orderDriveRebuild(path: string): Promise<void>;
};

/** Loads the data plane. Throws an Error whose message says what to do. */
export function loadAddon(file: string = ADDON_FILE): NativeModule {
  if (!existsSync(file)) {
    throw new Error(
      `The data plane is not built: ${file} is missing.\n` +
        '  1. Run `npm run build`, which compiles it (Rust 1.95 or newer and a C compiler are needed).\n' +
        '  2. In a container, use an image that was built for this version: the file is part of it.',
    );
  }
  try {
    return createRequire(import.meta.url)(file) as NativeModule;
  } catch (error) {
    throw new Error(
      `The data plane cannot be loaded from ${file}: ${error instanceof Error ? error.message : String(error)}\n` +
        '  1. If it was built on another machine or for another system, run `npm run build` again here.\n' +
        '  2. If the message names a missing library or version, this system is older than the one it was built on.',
      { cause: error },
    );
  }
}
