/**
 * What clusters still do with 0 to m + 1 lost nodes, measured: nodes are killed one after the other, in orders drawn from a seed, and
 * after each loss everything is read and written. The table of docs/concepts/availability.md must say what came out; OPENLAKE_UPDATE=1
 * writes it. OPENLAKE_ORDERS=n tries as many orders for each cluster, OPENLAKE_SEED=n replays them.
 */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { CreateBucketCommand, GetObjectCommand, ListObjectsV2Command, PutObjectCommand, S3ServiceException } from '@aws-sdk/client-s3';
import { random, seed } from '../random.ts';
import { nameOf, nodesOf, SHAPES, type Shape } from './cluster-shape.ts';
import { type FaultCluster, startFaultCluster } from './fault-cluster.ts';
import { clientOf } from './node-client.ts';
import { shuffled } from './schedule.ts';

const PAGE = join(import.meta.dirname, '../../docs/concepts/availability.md');
const orders = Number(process.env['OPENLAKE_ORDERS'] ?? 1);
const Bucket = 'availability';
/** Inline, staged, and several stripes in the smallest set. Below some hundred bytes a shard holds the whole object, and more nodes may go. */
const SIZES = [20_000, 700_000, 3_000_000];
/** How long a refusal must last before it counts as one: a client would have tried again by then. */
const REFUSED_MS = 3_000;

type Outcome = 'yes' | 'no';
type Row = { readonly reads: Outcome; readonly writes: Outcome };

/** Tries until it succeeds, or for as long as refusals may pass; every refusal is a 503. */
async function succeeds(attempt: () => Promise<unknown>): Promise<boolean> {
  const endMs = performance.now() + REFUSED_MS;
  for (;;) {
    try {
      await attempt();
      return true;
    } catch (error) {
      if (!(error instanceof S3ServiceException) || error.$metadata.httpStatusCode !== 503) throw error;
      if (performance.now() > endMs) return false;
    }
  }
}

/** All or none of many like attempts: anything between would be no answer to "does it work". */
function outcome(what: string, results: readonly boolean[]): Outcome {
  assert.equal(new Set(results).size, 1, `${what}: some succeeded, some did not: ${results.join(' ')}`);
  return results[0] === true ? 'yes' : 'no';
}

/** One attempt after the other, up to the first that is refused: that is enough of an answer. */
async function tryAll(attempts: readonly (() => Promise<unknown>)[]): Promise<boolean[]> {
  const results: boolean[] = [];
  for (const attempt of attempts) {
    results.push(await succeeds(attempt));
    if (results.at(-1) === false) break;
  }
  return results;
}

/** Reads `stored` and writes new objects through some nodes that are left; all at once, as refusals take their time. */
async function measure(
  on: FaultCluster,
  from: { readonly left: readonly number[]; readonly stored: ReadonlyMap<string, Buffer>; readonly label: string },
): Promise<Row> {
  const results = await Promise.all(
    from.left.map(async (node) => {
      const client = clientOf(on, node);
      const reads = [...from.stored].map(([Key, bytes]) => async (): Promise<void> => {
        const reply = await client.send(new GetObjectCommand({ Bucket, Key }));
        assert.ok(bytes.equals((await reply.Body?.transformToByteArray()) ?? Buffer.alloc(0)), `${Key}: other bytes came back`);
      });
      const writes = SIZES.map((size) => (): Promise<unknown> => {
        const Key = `${from.label}/n${node}/${size}`;
        return client.send(new PutObjectCommand({ Bucket, Key, Body: randomBytes(size) }));
      });
      const [read, written] = await Promise.all([tryAll(reads), tryAll(writes)]);
      client.destroy();
      return { read, written };
    }),
  );
  return {
    reads: outcome(
      `reads, ${from.label}`,
      results.flatMap(({ read }) => read),
    ),
    writes: outcome(
      `writes, ${from.label}`,
      results.flatMap(({ written }) => written),
    ),
  };
}

/** What each number of lost nodes leaves, from 0 to m + 1; the same in every order, or the test fails. */
async function measureShape(shape: Shape, say: (line: string) => void): Promise<Row[]> {
  await using on = await startFaultCluster(shape);
  const next = random(seed);
  const stored = new Map<string, Buffer>();
  const first = clientOf(on, 0);
  await first.send(new CreateBucketCommand({ Bucket }));
  for (const size of SIZES) {
    for (const number of [0, 1]) {
      const bytes = randomBytes(size);
      await first.send(new PutObjectCommand({ Bucket, Key: `stored/${size}-${number}`, Body: bytes }));
      stored.set(`stored/${size}-${number}`, bytes);
    }
  }
  const rows: Row[] = [];
  for (let order = 0; order < orders; order += 1) {
    const victims = shuffled([...on.names.keys()], (bound) => Math.floor(next() * bound)).slice(0, shape.parity + 1);
    say(`order ${order}: ${victims.map((node) => on.names[node]).join(', ')}`);
    for (let lost = 0; lost <= victims.length; lost += 1) {
      if (lost > 0) await on.end(victims[lost - 1] as number, 'SIGKILL');
      const left = [...on.names.keys()].filter((node) => !victims.slice(0, lost).includes(node));
      // Of twelve nodes two speak for all.
      const asked = shuffled(left, (bound) => Math.floor(next() * bound)).slice(0, 2);
      const row = await measure(on, { left: asked, stored, label: `order-${order}/lost-${lost}` });
      assert.deepEqual(
        row,
        rows[lost] ?? row,
        `${lost} lost nodes of ${nameOf(shape)} are not always the same: order ${order}, seed ${seed}`,
      );
      rows[lost] = row;
    }
    for (const node of victims) await on.start(node);
    await on.waitHealthy();
    const listed = await first.send(new ListObjectsV2Command({ Bucket, Prefix: 'stored/' }));
    assert.deepEqual(
      (listed.Contents ?? []).map(({ Key }) => Key),
      [...stored.keys()].toSorted(),
    );
  }
  first.destroy();
  return rows;
}

const words = ({ reads, writes }: Row): string => (reads === 'no' ? 'neither' : writes === 'yes' ? 'reads and writes' : 'reads');

function rowOf(shape: Shape, rows: readonly Row[]): string {
  const most = Math.max(...SHAPES.map(({ parity }) => parity)) + 2;
  const cells = Array.from({ length: most }, (_, lost) => (rows[lost] === undefined ? '' : words(rows[lost])));
  return `| ${shape.data} + ${shape.parity} | ${nodesOf(shape)} | ${cells.join(' | ')} |`
    .replaceAll('|  |', '| |')
    .replaceAll('|  |', '| |');
}

for (const shape of SHAPES) {
  test(`what ${nameOf(shape)} on ${nodesOf(shape)} nodes does without some of them is what the page says`, async (context) => {
    context.diagnostic(`OPENLAKE_SEED=${seed} OPENLAKE_ORDERS=${orders}`);
    const measured = rowOf(shape, await measureShape(shape, (line) => context.diagnostic(line)));
    context.diagnostic(measured);
    const page = readFileSync(PAGE, 'utf8');
    const begin = `| ${shape.data} + ${shape.parity} | ${nodesOf(shape)} |`;
    const said = page.split('\n').find((line) => line.startsWith(begin));
    if (process.env['OPENLAKE_UPDATE'] !== undefined && said !== undefined) writeFileSync(PAGE, page.replace(said, measured));
    else assert.equal(said, measured);
  });
}
