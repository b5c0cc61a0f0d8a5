/**
 * Installs what the tests need beyond the product itself, each thing once, and says what and why.
 *
 *   node test/provision/provision.mjs          for `npm test`: everything
 *   node test/provision/provision.mjs core     without what needs root: control plane, image bases, virtual machine
 *   node test/provision/provision.mjs bench    for `npm run bench`: with MinIO, where there is Go to build it
 *   node test/provision/provision.mjs bench-drive   for `npm run bench:drive`
 *
 * Idempotent; everything lies in a cache outside the tree (OPENLAKE_TEST_CACHE, default ~/.cache/openlake-test), so that the next run
 * takes seconds, and a fresh clone too. Plain JavaScript, because the machine's own Node may be as old as 20.
 */
import { spawn } from 'node:child_process';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { installPackages } from '../../operator/local/prepare.mjs';
import { shareCargoTarget } from './cargo-target.mjs';
import { installDebianPackages, requireMachine } from './requirements.mjs';

const folder = dirname(fileURLToPath(import.meta.url));

/** Parts of the machine that each way of calling this needs, and the programs that make the rest. */
const WAYS = {
  all: {
    parts: ['core', 'kube', 'drive', 'faults', 'arm'],
    programs: ['../../native/build.mjs', 'python-clients.mjs', 'base-images.mjs', 'go-tools.mjs', 'virtual-machine.mjs', 'arm-target.mjs'],
  },
  core: { parts: ['core'], programs: ['../../native/build.mjs', 'python-clients.mjs'] },
  bench: { parts: ['core', 'bench'], programs: ['../../native/build.mjs', 'bench-peer.mjs'] },
  'bench-drive': { parts: ['core', 'bench'], programs: ['../../native/build.mjs'] },
};

/** Runs a program beside the others; resolves with its name when it failed. */
function make(program) {
  const child = spawn(process.execPath, [join(folder, program)], { stdio: ['ignore', 'inherit', 'inherit'] });
  return new Promise((resolve) => child.on('exit', (code) => resolve(code === 0 ? undefined : program)));
}

const way = WAYS[process.argv[2] ?? 'all'];
if (way === undefined) {
  console.error(`provision: '${process.argv[2]}' is not one of ${Object.keys(WAYS).join(', ')}.`);
  process.exit(2);
}
const startedMs = performance.now();
requireMachine(way.parts);
installPackages();
installDebianPackages(way.parts);
// What is compiled waits for the processors, what is fetched for the network: side by side both are busy.
const noteCompiled = await shareCargoTarget();
const failed = (await Promise.all(way.programs.map(make))).filter((program) => program !== undefined);
noteCompiled();
if (failed.length > 0) {
  console.error(`provision: failed: ${failed.join(', ')}. The lines above say why.`);
  process.exit(1);
}
console.log(`provision: ready in ${((performance.now() - startedMs) / 1000).toFixed(1)} s`);
