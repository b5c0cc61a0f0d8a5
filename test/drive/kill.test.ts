/**
 * Drives whose process is killed under load, over and over: nothing acknowledged is lost, nothing else comes to light. On a folder, on
 * a raw device, and on a filesystem that fills to the brim.
 *
 * OPENLAKE_KILLS=500 makes as many kills for each, OPENLAKE_SEED=n replays the times of a run.
 */
import assert from 'node:assert/strict';
import { mkdirSync } from 'node:fs';
import path from 'node:path';
import { before, type TestContext, test } from 'node:test';
import { buildTorture, check, fill, loadAndKill, loopDevice, run, scratchFolder, seededChance } from './torture.ts';

const kills = Number(process.env['OPENLAKE_KILLS'] ?? 8);
const seed = Number(process.env['OPENLAKE_SEED'] ?? Math.floor(Math.random() * 2 ** 32));
const FULL_BELOW_KIB = 64 * 1024;
let program = '';

before(() => {
  program = buildTorture();
});

async function killOver(
  context: TestContext,
  options: { readonly place: string; readonly lines: string; readonly firstRun?: number },
): Promise<void> {
  context.diagnostic(`OPENLAKE_SEED=${seed} OPENLAKE_KILLS=${kills}`);
  const chance = seededChance(seed);
  for (let round = 1; round <= kills; round++) {
    // Also during the start: a recovery that is cut short must repeat with the same result.
    const killAfterMs = chance() < 0.25 ? chance() * 150 : 150 + chance() * 1_500;
    await loadAndKill(program, { ...options, run: (options.firstRun ?? 1) + round, killAfterMs });
    context.diagnostic(`${round}: killed after ${killAfterMs.toFixed(0)} ms, ${check(program, options)}`);
  }
}

test('a drive in a folder survives kills under load', async (context) => {
  const scratch = scratchFolder();
  context.after(scratch.remove);
  const place = path.join(scratch.folder, 'drive');
  mkdirSync(place);
  process.env['TORTURE_CAPACITY_BYTES'] = String(512 * 2 ** 20);
  context.after(() => delete process.env['TORTURE_CAPACITY_BYTES']);
  await killOver(context, { place, lines: path.join(scratch.folder, 'lines') });
});

test('a drive on a raw device survives kills under load', async (context) => {
  const scratch = scratchFolder();
  const { device, detach } = loopDevice(scratch.folder, 512 * 2 ** 20);
  context.after(() => {
    detach();
    scratch.remove();
  });
  await killOver(context, { place: device, lines: path.join(scratch.folder, 'lines') });
});

test('a drive on a filesystem of 256 MiB fills to the brim, goes on, and survives kills', async (context) => {
  const scratch = scratchFolder();
  const { device, detach } = loopDevice(scratch.folder, 256 * 2 ** 20);
  run('mkfs.ext4', '-q', device);
  const mount = path.join(scratch.folder, 'mount');
  mkdirSync(mount);
  run('mount', device, mount);
  context.after(() => {
    run('umount', mount);
    detach();
    scratch.remove();
  });
  const place = path.join(mount, 'drive');
  mkdirSync(place);
  // All that the filesystem has but what it keeps for itself.
  process.env['TORTURE_CAPACITY_BYTES'] = String(200 * 2 ** 20);
  process.env['TORTURE_KEYS'] = '30000';
  context.after(() => {
    delete process.env['TORTURE_CAPACITY_BYTES'];
    delete process.env['TORTURE_KEYS'];
  });
  const lines = path.join(scratch.folder, 'lines');
  const freeKib = (): number => Number(run('df', '--output=avail', '-k', mount).split('\n')[1]);
  fill(program, { place, lines, run: 1 });
  assert.ok(freeKib() <= FULL_BELOW_KIB, `the filesystem was to fill up, ${freeKib()} KiB are free`);
  context.diagnostic(`full: ${freeKib()} KiB are free, ${check(program, { place, lines })}`);
  await killOver(context, { place, lines, firstRun: 2 });
});
