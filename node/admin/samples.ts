/** Turns the engine's status into samples of metrics. Pure. */
import { readFileSync } from 'node:fs';
import type { DriveStatus, EngineStatus } from '../engine/addon.ts';
import type { MetricKey, Sample } from '../metrics/definitions.ts';
import { healState, hintsHeld } from './heal.ts';

/** Every sample that comes out of a status. */
export function engineSamples(status: EngineStatus): Sample[] {
  return [
    sample('cores', { state: 'configured' }, status.cores),
    sample('cores', { state: 'live' }, status.liveCores),
    sample('connections', {}, status.connections),
    sample('connectionsTotal', {}, status.connectionsTotal),
    sample('controlWaiting', {}, status.controlWaiting),
    sample('controlRefused', {}, status.controlRefused),
    ...status.operations.flatMap(({ name: operation, ...counters }) => [
      sample('requests', { operation }, counters.requests),
      sample('requestErrors', { operation }, counters.errors),
      sample('requestSeconds', { operation }, counters.microseconds / 1e6),
      sample('requestBytes', { operation }, counters.requestBytes),
      sample('responseBytes', { operation }, counters.responseBytes),
    ]),
    ...status.peers.flatMap((peer) => [
      sample('peerConnected', { peer: String(peer.node) }, peer.connected ? 1 : 0),
      sample('peerEncrypted', { peer: String(peer.node) }, peer.encrypted ? 1 : 0),
      sample('peerRoundTripSeconds', { peer: String(peer.node) }, peer.roundTripUs / 1e6),
    ]),
    ...status.drives.flatMap(driveSamples),
    ...memorySamples(status),
    sample('hintsHeld', {}, hintsHeld(status)),
  ];
}

/** Of which part of the budget a drive's memory is; what is named here nowhere is `drives`. */
const MEMORY_PARTS: Readonly<Record<string, string>> = {
  rows: 'index',
  unwritten: 'index',
  filters: 'index',
  fences: 'index',
  blocks: 'index',
  cache: 'cache',
};

/** What the whole data plane takes of memory, by part. */
function memorySamples(status: EngineStatus): Sample[] {
  const bytes = new Map(status.memory.map(({ name, value }) => [name, value]));
  for (const { name, value } of status.drives.flatMap((drive) => drive.counters)) {
    const kind = /^memory_([a-z]+)_bytes$/.exec(name)?.[1];
    if (kind === undefined) continue;
    const part = MEMORY_PARTS[kind] ?? 'drives';
    bytes.set(part, (bytes.get(part) ?? 0) + value);
  }
  return [...bytes].map(([part, value]) => sample('memory', { part }, value));
}

/** Samples about the process. */
export function processSamples(): Sample[] {
  const { rss, heapUsed, heapTotal } = process.memoryUsage();
  const anonymous = anonymousBytes();
  const { user, system } = process.cpuUsage();
  return [
    sample('residentBytes', {}, rss),
    ...(anonymous === undefined ? [] : [sample('anonymousBytes', {}, anonymous)]),
    sample('heapBytes', {}, heapUsed),
    sample('heapTotalBytes', {}, heapTotal),
    sample('cpuSeconds', { mode: 'user' }, user / 1e6),
    sample('cpuSeconds', { mode: 'system' }, system / 1e6),
  ];
}

/** Resident memory that no file backs; undefined where the system does not tell. */
function anonymousBytes(): number | undefined {
  try {
    const kibibytes = /^RssAnon:\s+(\d+) kB$/m.exec(readFileSync('/proc/self/status', 'utf8'))?.[1];
    return kibibytes === undefined ? undefined : Number(kibibytes) * 1024;
  } catch {
    return undefined;
  }
}

/** Counters of healing and scrub by their names in the engine: metric and further labels. */
const HEALING: Readonly<Record<string, readonly [MetricKey, Readonly<Record<string, string>>]>> = {
  heal_objects_total: ['healObjects', {}],
  heal_bytes_total: ['healBytes', {}],
  heal_failed_total: ['healFailures', {}],
  heal_objects_left: ['healObjectsLeft', {}],
  heal_bytes_left: ['healBytesLeft', {}],
  heal_hints_waiting: ['healWaiting', { kind: 'hints' }],
  heal_damaged_waiting: ['healWaiting', { kind: 'damaged' }],
  heal_shards_least: ['healShards', { kind: 'least' }],
  heal_shards_all: ['healShards', { kind: 'all' }],
  scrub_objects_total: ['scrubObjects', {}],
  scrub_bytes_total: ['scrubBytes', {}],
  scrub_damaged_total: ['scrubDamaged', {}],
  scrub_differences_total: ['scrubDifferences', {}],
  scrub_passes_total: ['scrubPasses', {}],
};

function driveSamples(status: DriveStatus): Sample[] {
  const drive = String(status.index);
  const healthy = sample('driveState', { drive, set: String(status.set), slot: String(status.slot) }, status.state === 'Healthy' ? 1 : 0);
  const counters = status.counters.flatMap(({ name, value }) => {
    const latency = /^(read|write|flush)_latency_(?:le_(?:(\d+)us|inf)|us)$/.exec(name);
    if (latency) return latencySamples(latency, drive, value);
    const memory = /^memory_(limit_)?([a-z]+)_bytes$/.exec(name);
    if (memory) return memorySample(memory, drive, value);
    const healing = HEALING[name];
    if (healing !== undefined) return sample(healing[0], { drive, ...healing[1] }, value);
    switch (name) {
      // Told by the state, and once for the whole node.
      case 'heal_dirty':
      case 'hints_held':
        return [];
      case 'wear_percent':
        return sample('driveWear', { drive }, value / 100);
      case 'rebuild_segments_left':
        return sample('driveRebuild', { drive }, value);
      case 'keys':
        return sample('driveKeys', { drive }, value);
      case 'capacity_bytes':
      case 'used_bytes':
        return sample('driveBytes', { drive, kind: name.replace('_bytes', '') }, value);
      case 'read_bytes':
      case 'written_bytes':
        return sample('driveTransfer', { drive, direction: name === 'read_bytes' ? 'read' : 'write' }, value);
      default:
        return sample('driveOperations', { drive, kind: name }, value);
    }
  });
  return [healthy, sample('healState', { drive, state: healState(status).toLowerCase() }, 1), ...counters];
}

/** The parts of a histogram; `matched` is a counter's name: kind of operation, and the bound of a bucket in microseconds. */
function latencySamples([name, operation = '', boundUs]: RegExpExecArray, drive: string, value: number): Sample[] {
  if (name.endsWith('_latency_us')) return [sample('driveLatencySum', { drive, operation }, value / 1e6)];
  if (boundUs !== undefined) return [sample('driveLatency', { drive, operation, le: String(Number(boundUs) / 1e6) }, value)];
  return [sample('driveLatency', { drive, operation, le: '+Inf' }, value), sample('driveLatencyCount', { drive, operation }, value)];
}

function memorySample([, limit, name = '']: RegExpExecArray, drive: string, value: number): Sample {
  return limit ? sample('driveMemoryLimit', { drive, pool: name }, value) : sample('driveMemory', { drive, part: name }, value);
}

/** A sample in one line. */
export function sample(metric: MetricKey, labels: Readonly<Record<string, string>>, value: number): Sample {
  return { metric, labels, value };
}
