/**
 * Runs the tests on Kubernetes: two halves side by side, because they mostly wait. Each half is one process, whose files share
 * one control plane, in a network namespace of its own: nodes of a cluster need addresses that are not loopback ones, and the
 * halves must not meet. A half's output is shown when it ends.
 *
 *   node test/kube/run.ts            all but the images
 *   node test/kube/run.ts NAME ...   the files of these names, in one process
 */
import { spawn } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { basename, join } from 'node:path';

const folder = import.meta.dirname;
/** Builds need the package registries, so they run in this machine's own network (test/run.ts). */
const IMAGES = ['images', 'operator-image'];
/** The longest files; together they take as long as all others. */
const FIRST_HALF = ['chaos', 'guard', 'whole-path'];

/** Runs files in one process; resolves with whether they passed, after their output was shown. */
function runFiles(names: readonly string[]): Promise<boolean> {
  const files = names.map((name) => join(folder, `${name}.test.ts`));
  const test = [process.execPath, '--test', '--test-isolation=none', ...files];
  const child = spawn('unshare', ['--net', 'sh', '-c', 'ip link set lo up && exec "$0" "$@"', ...test], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const chunks: Buffer[] = [];
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk: Buffer) => chunks.push(chunk));
  return new Promise((resolve) => {
    const end = (passed: boolean, text = ''): void => {
      process.stdout.write(Buffer.concat([...chunks, Buffer.from(text)]));
      resolve(passed);
    };
    child.once('error', (error) => end(false, `unshare did not start: ${error.message}\n`));
    child.once('close', (code) => end(code === 0));
  });
}

const asked = process.argv.slice(2);
const all = readdirSync(folder)
  .filter((file) => file.endsWith('.test.ts'))
  .map((file) => basename(file, '.test.ts'))
  .filter((name) => !IMAGES.includes(name))
  .toSorted();
const others = all.filter((name) => !FIRST_HALF.includes(name));
const results = await Promise.all(asked.length > 0 ? [runFiles(asked)] : [runFiles(FIRST_HALF), runFiles(others)]);
process.exit(results.every(Boolean) ? 0 : 1);
