/**
 * Builds the data plane: compiles native/addon and puts the library where node/engine/addon.ts loads it from.
 *
 * Plain JavaScript, because it may run before the project's own Node is installed. Cargo decides what has to be compiled,
 * so a run with nothing to do takes well under a second. The file is replaced by renaming: a process that has the old one
 * loaded keeps it, and nobody ever sees half a file.
 */
import { spawn, spawnSync } from 'node:child_process';
import { copyFileSync, existsSync, readFileSync, renameSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { trustContent } from './content-freshness.mjs';

const folder = dirname(fileURLToPath(import.meta.url));
const target = process.env.CARGO_TARGET_DIR ?? join(folder, 'target');
const wanted = join(folder, 'openlake.node');

const found = spawnSync('cargo', ['--version'], { encoding: 'utf8' });
if (found.status !== 0) {
  fail('Rust is needed to build the data plane, and there is no `cargo` here. Install it with rustup and run this again.');
}
// A target folder elsewhere may have served other sources than these. Whoever prepared it for more than this build says so.
const shared = process.env.CARGO_TARGET_DIR !== undefined && process.env.OPENLAKE_TARGET_PREPARED === undefined;
const noteSources = shared ? trustContent(target) : () => undefined;
const status = await compile();
if (status !== 0) fail(`cargo ended with ${status}; what it printed above says why.`);
noteSources();
const library = findLibrary();
if (existsSync(wanted) && readFileSync(wanted).equals(readFileSync(library))) {
  say(`${basename(wanted)} is up to date.`);
} else {
  const fresh = `${wanted}.${process.pid}`;
  copyFileSync(library, fresh);
  renameSync(fresh, wanted);
  say(`${basename(wanted)} is ready.`);
}

/** Runs cargo, its progress going to this terminal; resolves with the exit code. */
function compile() {
  const fresh = !existsSync(join(target, 'release'));
  if (fresh) say('Compiling the data plane. The first time this takes a few minutes.');
  const build = spawn('cargo', ['build', '--release', '--locked', '--package', 'openlake-addon'], {
    cwd: folder,
    stdio: ['ignore', 'inherit', 'inherit'],
  });
  return new Promise((resolve) => {
    build.on('error', (error) => fail(`cargo could not be started: ${error.message}`));
    build.on('exit', (code, signal) => resolve(code ?? signal));
  });
}

function findLibrary() {
  const names = ['libopenlake_addon.so', 'libopenlake_addon.dylib'];
  const built = names.map((name) => join(target, 'release', name)).find((file) => existsSync(file));
  if (built === undefined) fail(`cargo built, but none of ${names.join(', ')} is in ${join(target, 'release')}.`);
  return built;
}

function say(text) {
  process.stderr.write(`openlake: ${text}\n`);
}

function fail(text) {
  say(text);
  process.exit(1);
}
