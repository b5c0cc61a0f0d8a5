/** Runs the load generator on its own processor against a store and reads the CPU of the store's processes around it. */
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { Load } from './loads.ts';
import { median } from './median.ts';
import { busyTimeUs, processorTimeUs } from './processor-time.ts';
import { SERVER_PROCESSOR, type Store } from './stores.ts';

const root = join(import.meta.dirname, '..', '..');
const run = promisify(execFile);
const CLIENT_PROCESSOR = 1;

/** What one round showed, or the medians of several. */
export type Figures = {
  readonly perSecond: number;
  /** CPU of the store's processes per unit, all threads. */
  readonly processorUs: number;
  /** All that kept the servers' processor busy, per unit: kernel threads and interrupts too, and whoever else used it. */
  readonly busyUs: number;
  readonly p50Us: number;
  readonly p99Us: number;
};

type BenchJson = {
  readonly errors: number;
  readonly operations: readonly {
    readonly name: string;
    readonly count: number;
    readonly p50Us: number;
    readonly p99Us: number;
    readonly perSecond?: number;
  }[];
};

async function bench(store: Store, work: string, words: readonly string[]): Promise<BenchJson> {
  const endpoints = store.endpoints.flatMap((endpoint) => ['--endpoint', endpoint]);
  const all = [join(root, 'node/cli/bench.ts'), ...words, ...endpoints, '--seed', '1', '--json', '--keep'];
  const command = ['-c', String(CLIENT_PROCESSOR), process.execPath, ...all];
  const { stdout } = await run('taskset', command, { env: { ...process.env, ...store.env } });
  const report = JSON.parse(stdout) as BenchJson;
  if (report.errors > 0) throw new Error(`${store.name}, ${work}: ${report.errors} errors: ${stdout}`);
  return report;
}

/** A store that used less than this share of a processor over a while rests. */
const RESTING_SHARE = 0.05;
const LOOK_EVERY_MS = 500;
/** A store that never rests is measured all the same. */
const REST_AT_MOST_MS = 60_000;

/** Waits until a store has done what it does after writes (merges, checkpoints, scans): that is not what a read costs. */
async function rest(store: Store): Promise<void> {
  const endMs = performance.now() + REST_AT_MOST_MS;
  while (performance.now() < endMs) {
    const [beforeUs, beforeMs] = [processorTimeUs(store.pids), performance.now()];
    await new Promise((resolve) => setTimeout(resolve, LOOK_EVERY_MS));
    const usedMs = (processorTimeUs(store.pids) - beforeUs) / 1000;
    if (usedMs < RESTING_SHARE * (performance.now() - beforeMs)) return;
  }
}

/** Writes the objects that a load reads, checking nothing, and lets the store come to rest. */
export async function prepare(store: Store, load: Load): Promise<void> {
  // As many at once as the load later has: who owns which key follows from that. The listed keys may be written by more.
  const words = load.operation === 'list' ? [...load.words, '--concurrency', '64'] : load.words;
  await bench(store, load.work, ['prepare', ...words]);
  await rest(store);
}

/** One round of a load. */
export async function measure(store: Store, load: Load, seconds: number): Promise<Figures> {
  const [processorBefore, busyBefore] = [processorTimeUs(store.pids), busyTimeUs(SERVER_PROCESSOR)];
  const report = await bench(store, load.work, [load.operation, '--duration', `${seconds}s`, '--prepared', ...load.words]);
  const [processorUs, busyUs] = [processorTimeUs(store.pids) - processorBefore, busyTimeUs(SERVER_PROCESSOR) - busyBefore];
  const figures = report.operations.find((candidate) => candidate.name === load.operation);
  if (figures === undefined || figures.count === 0) throw new Error(`${store.name}, ${load.work}: nothing was measured`);
  const units = figures.count * load.unitsEach;
  return {
    perSecond: (figures.perSecond ?? 0) * load.unitsEach,
    processorUs: processorUs / units,
    busyUs: busyUs / units,
    p50Us: figures.p50Us,
    p99Us: figures.p99Us,
  };
}

/** The median of each figure. */
export function medians(rounds: readonly Figures[]): Figures {
  const of = (name: keyof Figures): number => median(rounds.map((round) => round[name]));
  return { perSecond: of('perSecond'), processorUs: of('processorUs'), busyUs: of('busyUs'), p50Us: of('p50Us'), p99Us: of('p99Us') };
}
