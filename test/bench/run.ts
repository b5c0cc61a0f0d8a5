/**
 * `npm run bench`: one storage node with four drives, 2+2, on one processor, `openlake bench` on the other, and the floors of the same
 * run. Prints a table; absolute times depend on the machine, so every row has a ratio to its floor.
 *
 *     npm run bench [-- --seconds 5] [--json]
 */
import { execFile, execFileSync, spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs, promisify } from 'node:util';
import { startCluster, type TestCluster } from '../cluster/cluster.ts';
import { pin, processorTimeUs } from './processor-time.ts';

const root = join(import.meta.dirname, '..', '..');
const SERVER_PROCESSOR = 0;
const CLIENT_PROCESSOR = 1;

type Row = {
  readonly work: string;
  readonly perSecond: number;
  /** CPU of the server per operation, all threads. */
  readonly processorUs: number;
  readonly p50Us: number;
  readonly p99Us: number;
  readonly ratio: number | undefined;
};

type BenchJson = {
  readonly elapsedMs: number;
  readonly errors: number;
  readonly operations: readonly {
    readonly name: string;
    readonly count: number;
    readonly p50Us: number;
    readonly p99Us: number;
    readonly perSecond?: number;
  }[];
};

const run = promisify(execFile);

type Load = {
  readonly work: string;
  readonly operation: string;
  readonly endpoint: string;
  readonly env: Readonly<Record<string, string>>;
  readonly pid: number;
  readonly words: readonly string[];
  /** Objects that must be there first; written outside the measured time. */
  readonly prepared: boolean;
  readonly floorUs: number | undefined;
};

async function bench(load: Load, words: readonly string[]): Promise<BenchJson> {
  const all = [join(root, 'node/cli/bench.ts'), ...words, '--endpoint', load.endpoint, '--seed', '1', '--json', '--keep', ...load.words];
  const command = ['-c', String(CLIENT_PROCESSOR), process.execPath, ...all];
  const { stdout } = await run('taskset', command, { env: { ...process.env, ...load.env } });
  const report = JSON.parse(stdout) as BenchJson;
  if (report.errors > 0) throw new Error(`${load.work}: ${report.errors} errors: ${stdout}`);
  return report;
}

/** Runs the load generator on its processor and measures the server's CPU around it. */
async function measure(load: Load): Promise<Row> {
  if (load.prepared) await bench(load, ['prepare']);
  const before = processorTimeUs(load.pid);
  const report = await bench(load, [load.operation, '--duration', seconds, '--prepared']);
  const figures = report.operations.find((candidate) => candidate.name === load.operation);
  if (figures === undefined) throw new Error(`${load.work}: nothing was measured`);
  const perOperationUs = (processorTimeUs(load.pid) - before) / figures.count;
  return {
    work: load.work,
    perSecond: figures.perSecond ?? 0,
    processorUs: perOperationUs,
    p50Us: figures.p50Us,
    p99Us: figures.p99Us,
    ratio: load.floorUs === undefined ? undefined : perOperationUs / load.floorUs,
  };
}

/** Requests to a server that answers 4 KiB from memory. */
async function measureResponder(): Promise<Row> {
  const child = spawn(process.execPath, [join(root, 'test/bench/responder.ts')], { stdio: ['pipe', 'pipe', 'inherit'] });
  try {
    const address = await new Promise<string>((resolve, reject) => {
      child.stdout.once('data', (line: Buffer) => resolve(line.toString().trim()));
      child.once('exit', (code) => reject(new Error(`the responder ended with ${code}`)));
    });
    const pid = child.pid as number;
    pin(pid, SERVER_PROCESSOR);
    const env = { AWS_ACCESS_KEY_ID: 'floor', AWS_SECRET_ACCESS_KEY: 'floor' };
    const load = { operation: 'get', words: loadWords('', 64, 64), prepared: false, floorUs: undefined };
    return await measure({ ...load, work: 'floor: 4 KiB from memory, c=64', endpoint: `http://${address}`, env, pid });
  } finally {
    child.kill('SIGKILL');
  }
}

/** Random 4 KiB reads of the same disk by fio with io_uring, per second. */
function measureDisk(seconds: number): number | undefined {
  const folder = mkdtempSync(join(tmpdir(), 'openlake-disk-'));
  try {
    const words = [
      '--name=floor',
      `--directory=${folder}`,
      '--size=256M',
      '--rw=randread',
      '--bs=4k',
      '--ioengine=io_uring',
      '--iodepth=64',
    ];
    const output = execFileSync('fio', [...words, '--direct=1', '--time_based', `--runtime=${seconds}`, '--output-format=json'], {
      encoding: 'utf8',
    });
    const result = JSON.parse(output.slice(output.indexOf('{'))) as { jobs: { read: { iops: number } }[] };
    return result.jobs[0]?.read.iops;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

async function measureNode(cluster: TestCluster, floorUs: number): Promise<readonly Row[]> {
  const node = (await cluster.waitHealthy()).nodes[0];
  if (node === undefined || node.pid === null) throw new Error('the node does not run');
  pin(node.pid, SERVER_PROCESSOR);
  const common = { endpoint: node.endpoints.s3, env: cluster.env, pid: node.pid, floorUs };
  const loads: readonly Pick<Load, 'work' | 'operation' | 'words' | 'prepared'>[] = [
    { work: '4 KiB GET, hot, c=64', operation: 'get', words: loadWords('get/', 64, 256), prepared: true },
    { work: '4 KiB GET, hot, c=1', operation: 'get', words: loadWords('get1/', 1, 256), prepared: true },
    { work: '4 KiB HEAD, c=64', operation: 'head', words: loadWords('get/', 64, 256), prepared: true },
    { work: '4 KiB durable PUT, c=64', operation: 'put', words: loadWords('put/', 64, 100_000), prepared: false },
    { work: '4 KiB durable PUT, c=1', operation: 'put', words: loadWords('put1/', 1, 100_000), prepared: false },
    { work: 'LIST of 1000, c=4', operation: 'list', words: loadWords('list/', 4, 4000), prepared: true },
    { work: '1 MiB GET, c=4', operation: 'get', words: [...loadWords('large/', 4, 64), '--size', '1MiB'], prepared: true },
    { work: '1 MiB PUT, c=4', operation: 'put', words: [...loadWords('large-put/', 4, 64), '--size', '1MiB'], prepared: false },
  ];
  const rows: Row[] = [];
  for (const load of loads) rows.push(await measure({ ...common, ...load }));
  return rows;
}

function loadWords(prefix: string, concurrency: number, objects: number): readonly string[] {
  return ['--prefix', prefix, '--concurrency', String(concurrency), '--objects', String(objects)];
}

function table(rows: readonly Row[]): string {
  const lines = rows.map((row) => {
    const cells = [
      row.work,
      row.perSecond.toFixed(0),
      row.processorUs.toFixed(1),
      (1e6 / row.processorUs).toFixed(0),
      (row.p50Us / 1000).toFixed(2),
      (row.p99Us / 1000).toFixed(2),
    ];
    return `| ${[...cells, row.ratio === undefined ? '1' : row.ratio.toFixed(1)].join(' | ')} |`;
  });
  return [
    '| Work | per second | CPU us each | per CPU second | p50 ms | p99 ms | CPU, times the floor |',
    '|---|---|---|---|---|---|---|',
    ...lines,
  ].join('\n');
}

const { values } = parseArgs({ options: { seconds: { type: 'string', default: '5' }, json: { type: 'boolean', default: false } } });
const seconds = `${Number(values.seconds)}s`;
const diskReads = measureDisk(Number(values.seconds));
const floor = await measureResponder();
await using cluster = await startCluster(join(root, 'test/bench/one-node.yaml'));
const rows = [floor, ...(await measureNode(cluster, floor.processorUs))];
if (values.json) {
  console.log(JSON.stringify({ diskReads, rows }, null, 2));
} else {
  console.log(table(rows));
  console.log(`\nfloor of the disk: ${diskReads?.toFixed(0)} random 4 KiB reads a second (fio, io_uring, 64 in flight)`);
}
