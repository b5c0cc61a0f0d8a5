/**
 * `npm run bench:heal [-- --folder-mib 512] [--objects 20000] [--seconds 3] [--json]`: four storage nodes with a drive each, 2 + 2. What a
 * GET costs while one of them is dead, beside what it costs while all are there; and how fast a blank drive is filled in the place of a
 * lost one, with large objects beside what the disk writes (fio), and with small ones in objects a second.
 */
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import type { HealView } from '../../node/admin/schemas.ts';
import { dataPaths } from '../../operator/local/paths.ts';
import { readSecrets } from '../../operator/local/secrets.ts';
import { startCluster, type TestCluster } from '../cluster/cluster.ts';
import type { Load } from './loads.ts';
import { type Figures, measure, prepare } from './measure.ts';
import type { Store } from './stores.ts';

const { values } = parseArgs({
  options: {
    'folder-mib': { type: 'string', default: '512' },
    objects: { type: 'string', default: '20000' },
    seconds: { type: 'string', default: '3' },
    json: { type: 'boolean', default: false },
  },
});
const seconds = Number(values.seconds);
const LARGE_MIB = 16;
/** Of 2 + 2 a drive holds half. */
const largeObjects = Math.ceil((Number(values['folder-mib']) * 2) / LARGE_MIB);
/** The only set has its slots in the order of the nodes: this one holds a data shard of every object, which a GET asks for first. */
const LOST = 1;
const LOOK_EVERY_MS = 50;

function loadOf(work: string, concurrency: number, objects: number, size: string, unitsEach: number): Load {
  const words = ['--prefix', `${size}/`, '--concurrency', String(concurrency), '--objects', String(objects), '--size', size];
  return { work, operation: 'get', words, prepared: true, unit: unitsEach === 1 ? 'request' : 'MiB', unitsEach, floor: 'small' };
}
const small = loadOf('4 KiB GET, c=64', 64, Number(values.objects), '4KiB', 1);
const large = loadOf(`${LARGE_MIB} MiB GET, c=4, per MiB`, 4, largeObjects, `${LARGE_MIB}MiB`, LARGE_MIB);

/** What one load showed. */
type Result = {
  readonly work: string;
  readonly unit: string;
  readonly healthy: Figures;
  readonly oneLost: Figures;
  /** Of the drive that was filled. */
  readonly filled: { readonly objects: number; readonly bytes: number; readonly seconds: number };
};

function writtenMibPerSecond(): number {
  const folder = mkdtempSync(join(tmpdir(), 'openlake-disk-'));
  try {
    const job = `--name=floor --directory=${folder} --size=1g --rw=write --bs=1m --ioengine=io_uring --iodepth=8 --direct=1`;
    const output = execFileSync('fio', [...job.split(' '), '--end_fsync=1', '--output-format=json'], { encoding: 'utf8' });
    const report = JSON.parse(output.slice(output.indexOf('{'))) as { jobs: { write: { bw_bytes: number } }[] };
    return (report.jobs[0]?.write.bw_bytes ?? Number.NaN) / 2 ** 20;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** The nodes that run, as a store. */
async function storeOf(cluster: TestCluster, name: string): Promise<Store> {
  const running = (await cluster.status()).nodes.filter((node) => node.ready && node.pid !== null);
  return {
    name,
    endpoints: running.map((node) => node.endpoints.s3),
    env: cluster.env,
    pids: running.map((node) => node.pid as number),
    [Symbol.asyncDispose]: async () => {},
  };
}

/** Waits until the node's drive is whole: what was written to it, and in which time. */
async function watchHealing(cluster: TestCluster, admin: string): Promise<Result['filled']> {
  const token = readSecrets(dataPaths(cluster.dataFolder))?.adminToken ?? '';
  let [startedMs, objects, bytes] = [performance.now(), 0, 0];
  for (;;) {
    const reply = await fetch(`${admin}/v1/heal`, { headers: { authorization: `Bearer ${token}` } });
    const view = (await reply.json()) as HealView;
    const [drive] = view.drives;
    if (drive !== undefined) [objects, bytes] = [drive.objectsTotal, drive.bytesTotal];
    if (objects === 0) startedMs = performance.now();
    if (view.whole && objects > 0) return { objects, bytes, seconds: (performance.now() - startedMs) / 1000 };
    await new Promise((resolve) => setTimeout(resolve, LOOK_EVERY_MS));
  }
}

async function measureLoad(load: Load): Promise<Result> {
  await using cluster = await startCluster(join(import.meta.dirname, 'four-nodes.yaml'));
  const { nodes } = await cluster.waitHealthy();
  const lost = nodes[LOST];
  if (lost === undefined) throw new Error(`the cluster has ${nodes.length} nodes`);
  const all = await storeOf(cluster, 'all nodes');
  await prepare(all, load);
  const healthy = await measure(all, load, seconds);
  await cluster.stopNode(lost.name);
  const oneLost = await measure(await storeOf(cluster, 'one node lost'), load, seconds);
  const drive = join(cluster.dataFolder, lost.name, 'drives/d0');
  rmSync(drive, { recursive: true });
  mkdirSync(drive);
  await cluster.startNode(lost.name);
  await cluster.waitFor('the lost node', (status) => status.nodes.every((node) => node.ready));
  const filled = await watchHealing(cluster, lost.endpoints.admin);
  return { work: load.work, unit: load.unit, healthy, oneLost, filled };
}

const diskMibPerSecond = writtenMibPerSecond();
const results = [await measureLoad(small), await measureLoad(large)];
if (values.json) console.log(JSON.stringify({ diskMibPerSecond, results }, null, 2));
else {
  for (const { work, unit, healthy, oneLost, filled } of results) {
    const times = (oneLost.processorUs / healthy.processorUs).toFixed(2);
    console.log(
      `${work}: ${healthy.processorUs.toFixed(1)} us of CPU a ${unit}, ${oneLost.processorUs.toFixed(1)} with a node lost (${times} x); ` +
        `p50 ${(healthy.p50Us / 1000).toFixed(2)} and ${(oneLost.p50Us / 1000).toFixed(2)} ms, ` +
        `p99 ${(healthy.p99Us / 1000).toFixed(2)} and ${(oneLost.p99Us / 1000).toFixed(2)} ms`,
    );
    const mib = filled.bytes / 2 ** 20 / filled.seconds;
    console.log(
      `  filled ${filled.objects} objects in ${filled.seconds.toFixed(2)} s: ${(filled.objects / filled.seconds).toFixed(0)} objects/s, ` +
        `${mib.toFixed(1)} MiB/s, ${(mib / diskMibPerSecond).toFixed(2)} of what the disk writes (${diskMibPerSecond.toFixed(0)} MiB/s)`,
    );
  }
}
