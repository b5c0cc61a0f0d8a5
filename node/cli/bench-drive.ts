/**
 * `openlake bench drive`: one drive on this machine's disk, without cluster or network, beside what the bare disk gives in the same
 * run. The drive is a scratch one; a directory is cleaned up afterwards.
 */
import { mkdtempSync, rmSync, statSync } from 'node:fs';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { type DriveBenchReport, runDriveBench } from '../engine/bench.ts';
import { quantity, SIZE_UNITS, whole } from './bench-options.ts';
import { formatBytes, formatLatency, formatTable } from './bench-report.ts';

const HELP = `openlake bench drive DIR [options]: measures a drive made in a new folder of DIR, or on a blank block device

  --n N              records to store and read                          (100000)
  --size SIZE        payload of each, at most 64KiB                     (4KiB)
  --concurrency N    requests in flight                                 (64)
  --bulk N           shards of 1 MiB to append                          (256)
  --cache SIZE       record cache while reading hot                     (64MiB)
  --index SIZE       memory of the index                                (64MiB)
  --capacity SIZE    bytes the drive may use                            (what is free)
  --keep             leave the drive there
  --json             print one JSON document
A device must be blank, and has to be wiped before it can serve as a drive of a cluster.
Exit codes: 0; 1 when the disk failed; 2 for wrong usage.`;

/** Phases of the store and the phase of the bare disk that each is compared with. */
const FLOORS: Readonly<Record<string, string>> = {
  put: 'raw durable 4 KiB writes',
  'get cold': 'raw 4 KiB reads',
  'append 1 MiB': 'raw 1 MiB writes',
};
const LARGEST_RECORD_BYTES = 64 * 1024;

type DriveRequest = {
  readonly place: string;
  readonly count: number;
  readonly sizeBytes: number;
  readonly concurrency: number;
  readonly bulkCount: number;
  readonly cacheBytes: number;
  readonly indexBytes: number;
  readonly capacityBytes: number | undefined;
  readonly keep: boolean;
  readonly json: boolean;
};

function bytes(option: string, text: string): number {
  return quantity(option, { text, units: SIZE_UNITS });
}

function parse(words: readonly string[]): DriveRequest {
  const { values, positionals } = parseArgs({
    args: [...words],
    allowPositionals: true,
    options: {
      n: { type: 'string', default: '100000' },
      size: { type: 'string', default: '4KiB' },
      concurrency: { type: 'string', default: '64' },
      bulk: { type: 'string', default: '256' },
      cache: { type: 'string', default: '64MiB' },
      index: { type: 'string', default: '64MiB' },
      capacity: { type: 'string' },
      keep: { type: 'boolean', default: false },
      json: { type: 'boolean', default: false },
    },
  });
  const [place, ...rest] = positionals;
  if (place === undefined || rest.length > 0) {
    throw new Error(`the drive is '${positionals.join(' ')}': expected one directory or block device`);
  }
  const sizeBytes = bytes('--size', values.size);
  if (sizeBytes < 1 || sizeBytes > LARGEST_RECORD_BYTES) {
    throw new Error(`--size is '${values.size}': expected 1 B to 64 KiB (larger shards are measured by --bulk)`);
  }
  return {
    place,
    count: whole('--n', { text: values.n, least: 1 }),
    sizeBytes,
    concurrency: whole('--concurrency', { text: values.concurrency, least: 1 }),
    bulkCount: whole('--bulk', { text: values.bulk, least: 0 }),
    cacheBytes: bytes('--cache', values.cache),
    indexBytes: bytes('--index', values.index),
    capacityBytes: values.capacity === undefined ? undefined : bytes('--capacity', values.capacity),
    keep: values.keep,
    json: values.json,
  };
}

function format(report: DriveBenchReport): string {
  const rates = new Map(report.phases.map((phase) => [phase.figures.name, phase.perSecond]));
  const header = ['phase', 'count', 'per second', 'bytes/s', 'CPU each', 'p50', 'p99', 'max', 'of the bare disk'];
  const rows = report.phases.map(({ floor, perSecond, processorUs, figures }) => {
    const floorRate = rates.get(FLOORS[figures.name] ?? '');
    return [
      floor ? `(${figures.name})` : figures.name,
      String(figures.count),
      perSecond.toFixed(0),
      figures.count === 0 ? '-' : `${formatBytes((perSecond * figures.bytes) / figures.count)}/s`,
      formatLatency(processorUs),
      formatLatency(figures.p50Us),
      formatLatency(figures.p99Us),
      formatLatency(figures.maxUs),
      floorRate === undefined ? '' : `${(perSecond / floorRate).toFixed(2)} x`,
    ];
  });
  return [
    ...formatTable([header, ...rows]),
    `${report.keys} keys in ${formatBytes(report.usedBytes)}, ${report.recordsPerBatch.toFixed(1)} records a durable write, ` +
      `durability class ${report.durabilityClass}, index ${(report.indexUsedBytes / Math.max(report.keys, 1)).toFixed(0)} B of memory a key`,
    `start ${formatLatency(report.openCleanMs * 1000)} after a clean stop, ${formatLatency(report.openCrashedMs * 1000)} after a crash`,
  ].join('\n');
}

/** Runs the command with the words behind `bench drive`; returns the exit code. */
export async function benchDrive(words: readonly string[]): Promise<number> {
  if (words.includes('--help') || words.includes('-h')) {
    console.log(HELP);
    return 0;
  }
  let request: DriveRequest;
  let isDirectory: boolean;
  try {
    request = parse(words);
    isDirectory = statSync(request.place).isDirectory();
  } catch (error) {
    console.error(`openlake bench drive: ${error instanceof Error ? error.message : String(error)}\nTry 'openlake bench drive --help'.`);
    return 2;
  }
  const drivePath = isDirectory ? mkdtempSync(path.join(request.place, 'openlake-bench-')) : request.place;
  try {
    const { place: _, capacityBytes, keep: __, json: ___, ...load } = request;
    const report = await runDriveBench({ ...load, path: drivePath, ...(capacityBytes === undefined ? {} : { capacityBytes }) });
    console.log(request.json ? JSON.stringify(report) : format(report));
    if (request.keep) console.log(`The drive is left in ${drivePath}.`);
    return 0;
  } finally {
    if (isDirectory && !request.keep) rmSync(drivePath, { recursive: true, force: true });
  }
}
