/**
 * `npm run bench:drive [-- --folder DIR] [--quick] [--rounds 3] [--keys 1000000] [--json]`: one drive beside its floors on one disk: a
 * file per object, fio's random reads by io_uring, and raw direct writes. All of them take turns, round after round, and the medians
 * count, so that whatever else the disk does hits them alike. Then a drive with many small records: memory a key, and its start.
 */
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { parseArgs } from 'node:util';
import type { DriveBenchReport } from '../../node/engine/bench.ts';
import { median } from './median.ts';

const { values } = parseArgs({
  options: {
    folder: { type: 'string', default: tmpdir() },
    quick: { type: 'boolean', default: false },
    rounds: { type: 'string' },
    keys: { type: 'string' },
    json: { type: 'boolean', default: false },
  },
});
const root = path.join(import.meta.dirname, '..', '..');
const folder = mkdtempSync(path.join(values.folder, 'openlake-bench-drive-'));
const rounds = Number(values.rounds ?? (values.quick ? 1 : 3));
const keys = Number(values.keys ?? (values.quick ? 100_000 : 1_000_000));
const OBJECTS = values.quick ? 20_000 : 50_000;
const FILES = values.quick ? 1000 : 3000;
const SIZE_BYTES = 4096;
/** A small payload, so that it is keys that count. */
const KEY_BYTES = 64;
const INDEX = '256MiB';

function read(command: string, words: readonly string[], environment: Readonly<Record<string, string>> = {}): string {
  return execFileSync(command, words, { encoding: 'utf8', env: { ...process.env, ...environment }, maxBuffer: 1 << 26 });
}

/** Random reads of 4 KiB a second, 64 in flight, past the page cache. */
function fioReads(): number {
  const job = `--name=floor --directory=${folder} --size=512m --bs=4k --rw=randread --iodepth=64`;
  const words = `${job} --ioengine=io_uring --direct=1 --runtime=3 --time_based --output-format=json`.split(' ');
  const report = JSON.parse(read('fio', words)) as { readonly jobs: readonly { readonly read: { readonly iops: number } }[] };
  return report.jobs[0]?.read.iops ?? Number.NaN;
}

function filesPerSecond(): number {
  const place = path.join(folder, 'files');
  mkdirSync(place);
  const words = [path.join(import.meta.dirname, 'file-store.ts'), place, String(FILES), String(SIZE_BYTES)];
  const rate = Number(read(process.execPath, words, { UV_THREADPOOL_SIZE: '64' }));
  rmSync(place, { recursive: true });
  return rate;
}

function driveBench(words: readonly string[]): DriveBenchReport {
  const all = ['bench', 'drive', folder, '--concurrency', '64', '--json', ...words];
  return JSON.parse(read(process.execPath, [path.join(root, 'operator/cli/main.ts'), ...all])) as DriveBenchReport;
}

/** What one round showed, per second. */
type Round = { readonly puts: number; readonly files: number; readonly reads: number; readonly fio: number } & {
  readonly appends: number;
  readonly raw: number;
};

function measureRound(): Round {
  const report = driveBench(['--n', String(OBJECTS), '--size', String(SIZE_BYTES)]);
  const rate = (name: string): number => report.phases.find((phase) => phase.figures.name === name)?.perSecond ?? Number.NaN;
  return {
    puts: rate('put'),
    files: filesPerSecond(),
    reads: rate('get cold'),
    fio: fioReads(),
    appends: rate('append 1 MiB'),
    raw: rate('raw 1 MiB writes'),
  };
}

try {
  const seen = Array.from({ length: rounds }, measureRound);
  const row = (what: string, own: keyof Round, floor: keyof Round, bar: number) => ({
    what,
    perSecond: median(seen.map((round) => round[own])),
    floor: median(seen.map((round) => round[floor])),
    // Both sides of a ratio come from the same round.
    ratio: median(seen.map((round) => round[own] / round[floor])),
    bar,
  });
  const rows = [
    row('durable 4 KiB puts, of a file per object', 'puts', 'files', 25),
    row('4 KiB reads past the cache, of fio', 'reads', 'fio', 0.85),
    row('1 MiB appends, of raw direct writes', 'appends', 'raw', 0.9),
  ];
  const many = driveBench(['--n', String(keys), '--size', String(KEY_BYTES), '--bulk', '0', '--index', INDEX]);
  if (values.json) console.log(JSON.stringify({ rounds: seen, rows, many }));
  else {
    for (const { what, perSecond, floor, ratio, bar } of rows) {
      const [own, bare] = [perSecond.toFixed(0), floor.toFixed(0)];
      const verdict = ratio >= bar ? 'met' : 'missed';
      console.log(
        `${what.padEnd(44)} ${own.padStart(9)}/s ${bare.padStart(9)}/s ${ratio.toFixed(2).padStart(7)} x  (bar ${bar}: ${verdict})`,
      );
    }
    const [clean, crashed] = [many.openCleanMs, many.openCrashedMs].map((ms) => (ms / 1000).toFixed(2));
    console.log(`start with ${many.keys} keys: ${clean} s after a clean stop, ${crashed} s after a crash`);
    console.log(
      `memory of the index: ${(many.indexUsedBytes / many.keys).toFixed(0)} B a key (budget ${INDEX}); ` +
        `on the drive: ${(many.usedBytes / many.keys).toFixed(0)} B a key of ${KEY_BYTES} B`,
    );
  }
} finally {
  rmSync(folder, { recursive: true, force: true });
}
