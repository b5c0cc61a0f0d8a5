/** The load generator of the data plane, typed. It needs no running engine. */
import { type BenchConfig, type BenchReport, type DriveBenchConfig, type DriveBenchReport, loadAddon } from './addon.ts';

export type { BenchConfig, BenchReport, DriveBenchConfig, DriveBenchReport } from './addon.ts';

/** Totals of a run so far. */
export type BenchProgress = { readonly operations: number; readonly bytes: number; readonly errors: number };

/** Runs the load generator on threads of its own; rejects when it can't start. Failed operations are part of the report. */
export async function runBench(config: BenchConfig, onProgress: (progress: BenchProgress) => void): Promise<BenchReport> {
  return loadAddon().runBench(config, onProgress);
}

/** Makes a drive and measures it on a thread of its own; rejects when it cannot be made, or the disk fails. */
export async function runDriveBench(config: DriveBenchConfig): Promise<DriveBenchReport> {
  return loadAddon().runDriveBench(config);
}

/** Starts the floor of HTTP measurements: a server that answers every request with `bodyBytes` from memory. Returns `address:port`. */
export function startResponder(address: string, bodyBytes: number): string {
  return loadAddon().startResponder(address, bodyBytes);
}
