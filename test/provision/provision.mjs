/**
 * Installs what the tests need beyond the product itself, each thing once, and says what and why.
 * Idempotent; everything lies in a cache outside the tree (OPENLAKE_TEST_CACHE, default ~/.cache/openlake-test).
 * Plain JavaScript, because the machine's own Node may be as old as 20.
 */
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { buildNative, installPackages, run } from '../../operator/local/prepare.mjs';
import { makeBaseImages, whyNoImages } from './base-images.mjs';
import { buildGoTools } from './go-tools.mjs';

/** Real S3 clients, at versions that have today's defaults (checksums in trailers). */
const PYTHON_PACKAGES = ['awscli==1.46.2', 'boto3==1.44.5'];

const cache = process.env.OPENLAKE_TEST_CACHE ?? join(homedir(), '.cache', 'openlake-test');

function found(command) {
  return spawnSync('sh', ['-c', `command -v ${command}`]).status === 0;
}

/** Installs a Debian package when its command is missing. */
function debian(command, packageName, why) {
  if (found(command)) return;
  console.log(`provision: installing Debian's ${packageName}: ${why}`);
  const sudo = process.getuid?.() === 0 ? [] : ['sudo'];
  run('sh', [
    '-c',
    `${sudo.join(' ')} apt-get update -qq && ${sudo.join(' ')} apt-get install -y -qq --no-install-recommends ${packageName}`,
  ]);
}

/** Folder of the Python environment that holds the S3 clients. */
export const pythonFolder = join(cache, `python-${createHash('sha256').update(PYTHON_PACKAGES.join(' ')).digest('hex').slice(0, 12)}`);

/** Makes that environment, once per version list. */
function pythonClients() {
  const folder = pythonFolder;
  if (existsSync(join(folder, 'ready'))) return;
  console.log(`provision: Python environment with ${PYTHON_PACKAGES.join(', ')}: real S3 clients for the whole-path tests`);
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  debian('python3', 'python3', 'runs the AWS CLI and boto3');
  const made = spawnSync('python3', ['-m', 'venv', folder], { encoding: 'utf8' });
  if (made.status !== 0) {
    run('sh', ['-c', 'apt-get update -qq && apt-get install -y -qq python3-venv']);
    run('python3', ['-m', 'venv', folder]);
  }
  run(join(folder, 'bin', 'pip'), ['install', '--quiet', ...PYTHON_PACKAGES]);
  writeFileSync(join(folder, 'ready'), '');
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  installPackages();
  buildNative();
  if (process.argv[2] === 'bench') {
    debian('fio', 'fio', 'the floor of the drive benchmarks');
  }
  if (process.argv[2] !== 'bench') pythonClients();
  if (process.argv[2] === 'kube') {
    buildGoTools();
    debian('lua5.3', 'lua5.3', 'runs the health script for Argo CD');
    if (whyNoImages() === undefined) {
      debian('buildah', 'buildah', 'builds the images without a daemon');
      debian('debootstrap', 'debootstrap', 'makes the base of the images');
    }
    makeBaseImages();
  }
}
