/**
 * One folder for what cargo compiles in tests, shared by all checkouts, so that a fresh clone compiles only what differs. It lies in the
 * cache outside the tree; its name changes with the compiler and Cargo.lock, and folders that nobody used for a week go.
 *
 * Only one run has it at a time. Another that comes meanwhile compiles in its own native/target, as it would without all this.
 */
import { spawn, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdirSync, readdirSync, readFileSync, rmSync, statSync, utimesSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { trustContent } from '../../native/content-freshness.mjs';

const cache = process.env.OPENLAKE_TEST_CACHE ?? join(homedir(), '.cache', 'openlake-test');
const workspace = fileURLToPath(new URL('../../native/', import.meta.url));
const KEPT_MS = 7 * 24 * 3600 * 1000;

/**
 * A process that holds the lock as long as this one lives: it ends when the other end of its input is gone. Undefined when another run
 * has the lock; a short wait lets the steps of one `npm test` follow each other.
 */
async function lock(file) {
  const holder = spawn('flock', ['--wait', '5', file, 'sh', '-c', 'echo held; exec cat'], { stdio: ['pipe', 'pipe', 'ignore'] });
  const held = await new Promise((resolve) => {
    holder.on('error', () => resolve(false));
    holder.on('exit', () => resolve(false));
    holder.stdout.once('data', () => resolve(true));
  });
  if (!held) return undefined;
  holder.unref();
  holder.stdin.unref();
  holder.stdout.destroy();
  return holder;
}

/** Removes the folders of other compilers and lock files that were not used for a week. */
function prune(kept) {
  for (const name of readdirSync(cache).filter((entry) => entry.startsWith('cargo-') && entry !== kept)) {
    if (Date.now() - statSync(join(cache, name)).mtimeMs > KEPT_MS) rmSync(join(cache, name), { recursive: true, force: true });
  }
}

/**
 * Lets every cargo that this process starts from now on compile into the shared folder, unless CARGO_TARGET_DIR says otherwise already.
 * @returns {Promise<() => void>} to be called after the last cargo
 */
export async function shareCargoTarget() {
  if (process.env.CARGO_TARGET_DIR !== undefined) return () => undefined;
  const compiler = spawnSync('rustc', ['-vV'], { cwd: workspace, encoding: 'utf8' }).stdout ?? '';
  const key = createHash('sha256')
    .update(compiler)
    .update(process.env.RUSTFLAGS ?? '')
    .update(readFileSync(join(workspace, 'Cargo.lock')));
  const name = `cargo-${key.digest('hex').slice(0, 12)}`;
  const folder = join(cache, name);
  mkdirSync(folder, { recursive: true });
  const holder = await lock(join(folder, 'lock'));
  if (holder === undefined) {
    console.log('The shared folder of compiled Rust is in use by another run: compiling in native/target.');
    return () => undefined;
  }
  utimesSync(folder, new Date(), new Date());
  prune(name);
  const target = join(folder, 'target');
  process.env.CARGO_TARGET_DIR = target;
  process.env.OPENLAKE_TARGET_PREPARED = '1';
  process.env.CARGO_INCREMENTAL = '0';
  const note = trustContent(target);
  return () => {
    note();
    delete process.env.CARGO_TARGET_DIR;
    holder.stdin.end();
  };
}
