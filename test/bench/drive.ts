/**
 * `npm run bench:drive [-- --folder DIR] [--json]`: one drive beside its floors, all in one run on one disk: a file per object, and
 * fio's random reads by io_uring.
 */
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { parseArgs } from 'node:util';
import type { DriveBenchReport } from '../../node/engine/bench.ts';

const { values } = parseArgs({ options: { folder: { type: 'string', default: tmpdir() }, json: { type: 'boolean', default: false } } });
const root = path.join(import.meta.dirname, '..', '..');
const folder = mkdtempSync(path.join(values.folder, 'openlake-bench-drive-'));
const OBJECTS = 100_000;
const FILES = 10_000;
const SIZE_BYTES = 4096;

function read(command: string, words: readonly string[], environment: Readonly<Record<string, string>> = {}): string {
  return execFileSync(command, words, { encoding: 'utf8', env: { ...process.env, ...environment }, maxBuffer: 1 << 26 });
}

/** Random reads of 4 KiB a second, 64 in flight, past the page cache. */
function fioReads(): number {
  const job = `--name=floor --directory=${folder} --size=512m --bs=4k --rw=randread --iodepth=64`;
  const words = `${job} --ioengine=io_uring --direct=1 --runtime=5 --time_based --output-format=json`.split(' ');
  const report = JSON.parse(read('fio', words)) as { readonly jobs: readonly { readonly read: { readonly iops: number } }[] };
  return report.jobs[0]?.read.iops ?? Number.NaN;
}

function filesPerSecond(): number {
  const place = path.join(folder, 'files');
  mkdirSync(place);
  const words = [path.join(import.meta.dirname, 'file-store.ts'), place, String(FILES), String(SIZE_BYTES)];
  return Number(read(process.execPath, words, { UV_THREADPOOL_SIZE: '64' }));
}

try {
  const words = ['bench', 'drive', folder, '--n', String(OBJECTS), '--size', String(SIZE_BYTES), '--concurrency', '64', '--json'];
  const report = JSON.parse(read(process.execPath, [path.join(root, 'operator/cli/main.ts'), ...words])) as DriveBenchReport;
  const rate = (name: string): number => report.phases.find((phase) => phase.figures.name === name)?.perSecond ?? Number.NaN;
  const [files, reads] = [filesPerSecond(), fioReads()];
  const rows = [
    { what: 'durable 4 KiB puts, of a file per object', perSecond: rate('put'), floor: files, bar: 25 },
    { what: '4 KiB reads past the cache, of fio', perSecond: rate('get cold'), floor: reads, bar: 0.85 },
    { what: '1 MiB appends, of raw direct writes', perSecond: rate('append 1 MiB'), floor: rate('raw 1 MiB writes'), bar: 0.9 },
  ];
  const perMillion = (ms: number): string => `${((ms / report.keys) * 1000).toFixed(2)} s per million keys`;
  if (values.json) console.log(JSON.stringify({ rows, report }));
  else {
    for (const { what, perSecond, floor, bar } of rows) {
      const [own, bare] = [perSecond.toFixed(0), floor.toFixed(0)];
      console.log(
        `${what.padEnd(44)} ${own.padStart(9)}/s ${bare.padStart(9)}/s ${(perSecond / floor).toFixed(2).padStart(7)} x  (bar ${bar})`,
      );
    }
    console.log(`start ${perMillion(report.openCleanMs)} after a clean stop, ${perMillion(report.openCrashedMs)} after a crash`);
  }
} finally {
  rmSync(folder, { recursive: true, force: true });
}
