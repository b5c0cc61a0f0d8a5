/**
 * Runs every check and test of the repository, what mostly waits beside what computes (test/stages.ts), and ends with what failed, the
 * time of each stage and one line of totals.
 *
 *   node test/run.ts            everything
 *   node test/run.ts check      only what needs no server: types, lint, format, dead code, architecture
 *   node test/run.ts core       everything but the stages that need root: arm, drive, faults, kube and images
 *   node test/run.ts NAME ...   only the named stages; one alone is shown as it goes
 *
 * test/provision/provision.mjs installs what the stages need; npm calls it before.
 */
import { availableParallelism, homedir } from 'node:os';
import { join } from 'node:path';
import { shareCargoTarget } from './provision/cargo-target.mjs';
import { endOf, lineOf, runSideBySide } from './side-by-side.ts';
import { stages, wantedStages } from './stages.ts';

/** Stages that call cargo; `npm start` in the cluster's tests does. */
const COMPILING = ['clippy', 'rust', 'arm', 'model', 'drive', 'cluster'];

const names = process.argv.slice(2);
const wanted = wantedStages(names);
if (wanted.length === 0) {
  console.error(`No stage is called ${names.join(', ')}: expected check, core or one of ${stages.map((stage) => stage.name).join(', ')}.`);
  process.exit(2);
}
const startedMs = performance.now();
// The stages start hundreds of Node processes, which would compile the same modules each time.
process.env['NODE_COMPILE_CACHE'] ??= join(process.env['OPENLAKE_TEST_CACHE'] ?? join(homedir(), '.cache', 'openlake-test'), 'compiled-js');
const noteCompiled = wanted.some((stage) => COMPILING.includes(stage.name)) ? await shareCargoTarget() : (): void => undefined;
const results = await runSideBySide(wanted, { waitingAtOnce: availableParallelism(), say: console.log });
noteCompiled();
const failed = results.filter((result) => !result.passed);
for (const result of failed) console.log(endOf(result));
console.log(`\n${results.map(lineOf).join('\n')}`);
console.log(
  `${results.length - failed.length} passed, ${failed.length} failed in ${((performance.now() - startedMs) / 1000).toFixed(0)} s`,
);
process.exit(failed.length === 0 ? 0 : 1);
