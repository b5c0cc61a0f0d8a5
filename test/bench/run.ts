/**
 * `npm run bench`: a storage node with four drives, 2 + 2, beside MinIO with as many drives and the same parity on the same filesystem,
 * in turns; four storage nodes with one drive each; and the floors of the same run. Servers have one processor, the load generator the
 * other. Absolute times depend on the machine, so every row has ratios.
 *
 *     npm run bench [-- --quick] [--seconds 3] [--rounds 3] [--keys 1000000] [--peer-keys 20000] [--only LIST] [--no-peer] [--no-four] [--json]
 *
 * MinIO takes about 3 ms of CPU for each key that it is to list, so it gets fewer; that can only make it faster.
 */
import { parseArgs } from 'node:util';
import { type Floors, floorUs, measureFloors } from './floors.ts';
import { type Load, loads } from './loads.ts';
import { type Figures, measure, medians, prepare } from './measure.ts';
import { isMinioThere, type Store, startMinio, startOpenLake } from './stores.ts';
import { formatTables, type Row } from './table.ts';

const { values } = parseArgs({
  options: {
    quick: { type: 'boolean', default: false },
    seconds: { type: 'string' },
    rounds: { type: 'string' },
    keys: { type: 'string' },
    'peer-keys': { type: 'string' },
    only: { type: 'string', default: '' },
    'no-peer': { type: 'boolean', default: false },
    'no-four': { type: 'boolean', default: false },
    json: { type: 'boolean', default: false },
  },
});
const { quick } = values;
const seconds = Number(values.seconds ?? (quick ? 1 : 3));
const rounds = Number(values.rounds ?? (quick ? 1 : 3));
const keys = Number(values.keys ?? (quick ? 50_000 : 1_000_000));
const peerKeys = Number(values['peer-keys'] ?? (quick ? 4000 : 20_000));
const largeObjects = quick ? 4 : 16;

/** Progress, beside the result. */
function say(text: string): void {
  process.stderr.write(`bench: ${text}\n`);
}

function chosen(scale: { readonly keys: number }): readonly Load[] {
  return loads({ ...scale, largeObjects }).filter(({ work }) => work.includes(values.only));
}

/** All loads against some stores in turns, so that whatever else the machine does hits them alike; the medians of every store. */
async function alternate(sides: readonly { readonly store: Store; readonly loads: readonly Load[] }[]): Promise<readonly Figures[][]> {
  const results: Figures[][] = sides.map(() => []);
  for (const [index, load] of (sides[0]?.loads ?? []).entries()) {
    const seen: Figures[][] = sides.map(() => []);
    for (const side of sides) {
      const own = side.loads[index] ?? load;
      if (own.prepared) {
        say(`${load.work}: preparing ${side.store.name}`);
        await prepare(side.store, own);
      }
    }
    for (let round = 0; round < rounds; round++) {
      for (const [number, side] of sides.entries()) seen[number]?.push(await measure(side.store, side.loads[index] ?? load, seconds));
    }
    for (const [number, side] of sides.entries()) {
      const figures = medians(seen[number] ?? []);
      results[number]?.push(figures);
      say(`${load.work}: ${side.store.name} ${figures.processorUs.toFixed(1)} us of CPU per ${load.unit}`);
    }
  }
  return results;
}

async function measurePair(): Promise<readonly Figures[][]> {
  await using ours = await startOpenLake('one-node.yaml', 'one process');
  const side = { store: ours, loads: chosen({ keys }) };
  if (values['no-peer'] || !isMinioThere()) return await alternate([side]);
  await using peer = await startMinio();
  return await alternate([side, { store: peer, loads: chosen({ keys: peerKeys }) }]);
}

async function measureFour(): Promise<readonly Figures[]> {
  if (values['no-four']) return [];
  await using four = await startOpenLake('four-nodes.yaml', 'four processes');
  return (await alternate([{ store: four, loads: chosen({ keys: Math.min(keys, 100_000) }) }]))[0] ?? [];
}

say(`${rounds} rounds of ${seconds} s each; ${keys} keys to list, for MinIO ${peerKeys}, for four processes ${Math.min(keys, 100_000)}`);
const floors: Floors = await measureFloors(seconds);
const [ours = [], peer = []] = await measurePair();
const four = await measureFour();
const rows = chosen({ keys }).flatMap((load, index): readonly Row[] => {
  const figures = ours[index];
  return figures === undefined ? [] : [{ load, ours: figures, peer: peer[index], four: four[index], floorUs: floorUs(floors, load) }];
});
if (values.json) console.log(JSON.stringify({ seconds, rounds, keys, peerKeys, floors, rows }, null, 2));
else {
  console.log(formatTables(rows));
  console.log(`\nThe disk did ${floors.diskReads.toFixed(0)} random 4 KiB reads a second (fio, io_uring, 64 in flight).`);
}
