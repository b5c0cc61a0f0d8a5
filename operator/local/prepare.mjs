/**
 * What must be there before the first TypeScript file can run: the installed packages (Node 26 among them) and the native part.
 * Plain JavaScript, because the machine's own Node may be as old as 20.
 */
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = join(dirname(fileURLToPath(import.meta.url)), '..', '..');

/** Runs a command in the repository's root with its output shown; ends this process with a message when it fails. */
export function run(command, args, options = {}) {
  const result = spawnSync(command, args, { cwd: root, stdio: 'inherit', ...options });
  if (result.error !== undefined || result.status !== 0) {
    const reason = result.error === undefined ? `exit code ${result.status}` : result.error.message;
    console.error(`openlake: '${command} ${args.join(' ')}' failed: ${reason}`);
    process.exit(1);
  }
}

/** Installs the packages of package-lock.json, if that was not done for this very lock file. */
export function installPackages() {
  const lock = createHash('sha256')
    .update(readFileSync(join(root, 'package-lock.json')))
    .digest('hex');
  const mark = join(root, 'node_modules', '.installed-lock');
  if (!existsSync(mark) || readFileSync(mark, 'utf8') !== lock) {
    console.log('openlake: installing the packages of package-lock.json');
    run('npm', ['install', '--no-save', '--no-audit', '--no-fund', '--loglevel=error']);
    writeFileSync(mark, lock);
  }
  const node = spawnSync(join(root, 'node_modules', '.bin', 'node'), ['--version'], { encoding: 'utf8' });
  if (!(node.stdout ?? '').startsWith('v26.')) {
    // Its install script fetches the binary for this platform; some npm settings skip such scripts.
    run('npm', ['rebuild', 'node', '--foreground-scripts', '--ignore-scripts=false']);
  }
}

/** Builds the native part; quick when nothing changed. */
export function buildNative() {
  const cargo = spawnSync('cargo', ['--version'], { encoding: 'utf8' });
  if (cargo.error !== undefined) {
    console.error('openlake: cargo was not found. The data plane is Rust (1.95 or newer): install it with rustup, or put it on PATH.');
    process.exit(1);
  }
  run(process.execPath, [join(root, 'native', 'build.mjs')]);
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  installPackages();
  buildNative();
}
