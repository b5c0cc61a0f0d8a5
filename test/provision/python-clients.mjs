/**
 * Real S3 clients, the AWS CLI and boto3, in a Python environment in the cache outside the tree, made once per list of versions.
 * Plain JavaScript, because the machine's own Node may be as old as 20.
 */
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { run } from '../../operator/local/prepare.mjs';

/** At versions that have today's defaults (checksums in trailers). */
const PYTHON_PACKAGES = ['awscli==1.46.2', 'boto3==1.44.5'];

const cache = process.env.OPENLAKE_TEST_CACHE ?? join(homedir(), '.cache', 'openlake-test');

/** Folder of the environment; its bin/ has `aws` and `python3`. */
export const pythonFolder = join(cache, `python-${createHash('sha256').update(PYTHON_PACKAGES.join(' ')).digest('hex').slice(0, 12)}`);

function makePythonClients() {
  if (existsSync(join(pythonFolder, 'ready'))) return;
  console.log(`provision: Python environment with ${PYTHON_PACKAGES.join(', ')}: real S3 clients for the whole-path tests`);
  rmSync(pythonFolder, { recursive: true, force: true });
  mkdirSync(pythonFolder, { recursive: true });
  const made = spawnSync('python3', ['-m', 'venv', pythonFolder], { encoding: 'utf8' });
  if (made.status !== 0) {
    // Debian's python3 comes without it.
    const apt = process.getuid?.() === 0 ? 'apt-get' : 'sudo apt-get';
    run('sh', ['-c', `${apt} update -qq && ${apt} install -y -qq python3-venv`]);
    run('python3', ['-m', 'venv', pythonFolder]);
  }
  run(join(pythonFolder, 'bin', 'pip'), ['install', '--quiet', '--disable-pip-version-check', ...PYTHON_PACKAGES]);
  writeFileSync(join(pythonFolder, 'ready'), '');
}

if (process.argv[1] === fileURLToPath(import.meta.url)) makePythonClients();
