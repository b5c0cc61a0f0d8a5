/**
 * Runs the fault tests in a network of their own, where partitions can be made, with mounts of their own: no other process is reached.
 *
 *   node test/faults/run.ts            all of them, one file after the other
 *   node test/faults/run.ts NAME ...   the files of these names
 */
import { spawnSync } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';

const folder = import.meta.dirname;
const asked = process.argv.slice(2);
const files = readdirSync(folder)
  .filter((file) => file.endsWith('.test.ts') && (asked.length === 0 || asked.includes(file.replace('.test.ts', ''))))
  .toSorted()
  .map((file) => join(folder, file));
const test = [process.execPath, '--test', '--test-concurrency=1', ...files];
const done = spawnSync('unshare', ['--net', '--mount', 'sh', '-c', 'ip link set lo up && exec "$0" "$@"', ...test], { stdio: 'inherit' });
if (done.error !== undefined) console.error(`unshare did not start: ${done.error.message}`);
process.exit(done.status ?? 1);
