/**
 * A drive on the NVMe device of a virtual machine whose power is cut under load, again and again; the drive is then judged here, on the
 * image of that device.
 *
 * OPENLAKE_POWER_CUTS=100 makes as many cuts, OPENLAKE_SEED=n replays the times of a run.
 */
import assert from 'node:assert/strict';
import { truncateSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { boot, initialFileSystem } from './machine.ts';
import { buildTorture, check, run, scratchFolder, seededChance } from './torture.ts';

const cuts = Number(process.env['OPENLAKE_POWER_CUTS'] ?? 3);
const seed = Number(process.env['OPENLAKE_SEED'] ?? Math.floor(Math.random() * 2 ** 32));
const DRIVE_BYTES = 192 * 2 ** 20;

test('a drive survives power cuts under load', async (context) => {
  const scratch = scratchFolder();
  context.after(scratch.remove);
  context.diagnostic(`OPENLAKE_SEED=${seed} OPENLAKE_POWER_CUTS=${cuts}`);
  const program = buildTorture();
  const initial = initialFileSystem(program, scratch.folder);
  const [image, lines] = [path.join(scratch.folder, 'nvme'), path.join(scratch.folder, 'lines')];
  writeFileSync(image, '');
  truncateSync(image, DRIVE_BYTES);
  const chance = seededChance(seed);
  for (let round = 1; round <= cuts; round++) {
    const machine = boot({ initial, image, lines, run: round });
    try {
      await machine.loaded;
      await new Promise((resolve) => setTimeout(resolve, 300 + chance() * 3_000));
    } finally {
      await machine.cutPower();
    }
    const device = run('losetup', '--find', '--show', '--direct-io=on', image).trim();
    try {
      const judged = check(program, { place: device, lines, linesMayLag: true });
      assert.match(judged, /drive Healthy/);
      context.diagnostic(`cut ${round}: ${judged}`);
    } finally {
      run('losetup', '--detach', device);
    }
  }
});
