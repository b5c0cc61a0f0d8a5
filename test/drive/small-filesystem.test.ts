/**
 * A drive that believes in more space than its filesystem has: the kernel says that the disk is full long before the drive thinks so. It
 * refuses clearly, serves reads and deletes, and takes data again once enough was deleted.
 */
import assert from 'node:assert/strict';
import { mkdirSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { buildTorture, fillToTheBrim, loopDevice, run, scratchFolder } from './torture.ts';

const FILESYSTEM_BYTES = 256 * 2 ** 20;
const CAPACITY_BYTES = 2 ** 30;
/** A container of the drive, and what ext4 keeps for itself. */
const LEFT_KIB = 32 * 1024;

test('a filesystem smaller than the capacity fills to the brim, and its drive goes on', (context) => {
  const program = buildTorture();
  const scratch = scratchFolder();
  const { device, detach } = loopDevice(scratch.folder, FILESYSTEM_BYTES);
  run('mkfs.ext4', '-q', device);
  const mount = path.join(scratch.folder, 'mount');
  mkdirSync(mount);
  run('mount', device, mount);
  process.env['TORTURE_CAPACITY_BYTES'] = String(CAPACITY_BYTES);
  context.after(() => {
    delete process.env['TORTURE_CAPACITY_BYTES'];
    run('umount', mount);
    detach();
    scratch.remove();
  });
  const place = path.join(mount, 'drive');
  mkdirSync(place);
  context.diagnostic(fillToTheBrim(program, place));
  const freeKib = Number(run('df', '--output=avail', '-k', mount).split('\n')[1]);
  assert.ok(freeKib <= LEFT_KIB, `${freeKib} KiB of the filesystem were never used`);
});
