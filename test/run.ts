/**
 * Runs every check and test of the repository in the order in which a mistake is cheapest to find, and ends with the time of each
 * stage and one line of totals.
 *
 *   node test/run.ts            everything
 *   node test/run.ts check      only what needs no server: types, lint, format, dead code, architecture
 *   node test/run.ts core       everything but the stages that need root: arm, drive, faults, kube and images
 *   node test/run.ts NAME ...   only the named stages
 *
 * test/provision/provision.mjs installs what the stages need; npm calls it before.
 */
import { spawnSync } from 'node:child_process';
import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { shareCargoTarget } from './provision/cargo-target.mjs';

const root = join(import.meta.dirname, '..');
const bin = (name: string): string => join(root, 'node_modules', '.bin', name);
const cargo = (verb: string, ...words: readonly string[]): readonly string[] => [
  'cargo',
  verb,
  '--manifest-path',
  'native/Cargo.toml',
  ...words,
];

type Stage = { readonly name: string; readonly kind: 'check' | 'test' | 'root'; readonly commands: readonly (readonly string[])[] };

/** Test files below a folder, sorted, as arguments of the test runner. One file at a time: the tests share two cores. */
function nodeTests(...patterns: readonly string[]): readonly string[] {
  const files = globSync(patterns as string[], { cwd: root }).toSorted();
  return [process.execPath, '--test', '--test-concurrency=1', '--test-timeout=600000', ...files];
}

/** The kernels of ARM processors, emulated. Rust's own linker and musl's start files: no cross compiler is needed. */
function kernelsOnArm(): readonly string[] {
  const target = 'aarch64-unknown-linux-musl';
  const settings = [`target.${target}.linker="rust-lld"`, `target.${target}.runner="qemu-aarch64-static"`];
  const crates = ['--package', 'openlake-erasure', '--package', 'openlake-checksum', '--features', 'openlake-erasure/shuffle'];
  return cargo('test', '--target', target, ...settings.flatMap((setting) => ['--config', setting]), ...crates, '--quiet');
}

const imageTests = ['test/kube/images.test.ts', 'test/kube/operator-image.test.ts'];

const stages: readonly Stage[] = [
  { name: 'types', kind: 'check', commands: [[bin('tsc'), '--noEmit', '-p', '.']] },
  { name: 'lint', kind: 'check', commands: [[bin('oxlint'), '--type-aware', '--deny-warnings', '.']] },
  { name: 'format', kind: 'check', commands: [[bin('biome'), 'check', '.'], cargo('fmt', '--all', '--check')] },
  { name: 'dead code', kind: 'check', commands: [[bin('knip')]] },
  { name: 'architecture', kind: 'check', commands: [nodeTests('test/architecture/*.test.ts')] },
  { name: 'clippy', kind: 'test', commands: [cargo('clippy', '--workspace', '--all-targets', '--quiet', '--', '-D', 'warnings')] },
  {
    name: 'rust',
    kind: 'test',
    // The kernels that a build has to choose are tested too.
    commands: [cargo('test', '--workspace', '--quiet'), cargo('test', '--package', 'openlake-erasure', '--features', 'shuffle', '--quiet')],
  },
  { name: 'arm', kind: 'root', commands: [kernelsOnArm()] },
  {
    name: 'model',
    kind: 'test',
    commands: [
      ['cargo', 'fmt', '--manifest-path', 'test/model/Cargo.toml', '--check'],
      ['cargo', 'clippy', '--manifest-path', 'test/model/Cargo.toml', '--all-targets', '--quiet', '--', '-D', 'warnings'],
      ['cargo', 'test', '--manifest-path', 'test/model/Cargo.toml', '--quiet'],
    ],
  },
  { name: 'unit', kind: 'test', commands: [nodeTests('test/{native,node,operator}/**/*.test.ts')] },
  { name: 'drive', kind: 'root', commands: [nodeTests('test/drive/*.test.ts')] },
  { name: 'cluster', kind: 'test', commands: [nodeTests('test/cluster/**/*.test.ts')] },
  { name: 'faults', kind: 'root', commands: [[process.execPath, 'test/faults/run.ts']] },
  { name: 'kube', kind: 'root', commands: [[process.execPath, 'test/kube/run.ts']] },
  // Builds need the package registries, so these stay in this machine's network.
  { name: 'images', kind: 'root', commands: [[process.execPath, '--test', '--test-isolation=none', ...imageTests]] },
];

/** Seconds of processor time that the children of this process have used so far. */
function processorSeconds(): number {
  if (process.platform !== 'linux') return Number.NaN;
  // Fields 16 and 17 of proc(5): time of children that ended, in ticks of 1/100 s. The name in field 2 may hold spaces.
  const fields = readFileSync('/proc/self/stat', 'utf8')
    .replace(/^.*\) /s, '')
    .split(' ');
  return (Number(fields[13]) + Number(fields[14])) / 100;
}

/** Runs a stage with its output shown. */
function runStage(stage: Stage): { readonly good: boolean; readonly line: string } {
  const startedMs = performance.now();
  const usedS = processorSeconds();
  console.log(`\n=== ${stage.name}`);
  const good = stage.commands.every(([command, ...args]) => {
    const result = spawnSync(command as string, args, { cwd: root, stdio: 'inherit' });
    if (result.status !== 0) console.log(`--- failed: ${command} ${args.slice(0, 6).join(' ')}`);
    return result.status === 0;
  });
  const tookS = (performance.now() - startedMs) / 1000;
  const line = `${stage.name}: ${good ? 'passed' : 'FAILED'} in ${tookS.toFixed(1)} s (${(processorSeconds() - usedS).toFixed(1)} s of processor time)`;
  console.log(`=== ${line}`);
  return { good, line };
}

function isWanted(stage: Stage, names: readonly string[]): boolean {
  if (names.length === 0 || names.includes(stage.name)) return true;
  return (names.includes('check') && stage.kind === 'check') || (names.includes('core') && stage.kind !== 'root');
}

const names = process.argv.slice(2);
const wanted = stages.filter((stage) => isWanted(stage, names));
if (wanted.length === 0) {
  console.error(`No stage is called ${names.join(', ')}: expected check, core or one of ${stages.map((stage) => stage.name).join(', ')}.`);
  process.exit(2);
}
const noteCompiled = wanted.some((stage) => ['clippy', 'rust', 'arm'].includes(stage.name))
  ? await shareCargoTarget()
  : (): void => undefined;
const results = wanted.map(runStage);
noteCompiled();
const failed = results.filter((result) => !result.good);
console.log(`\n${results.map((result) => result.line).join('\n')}`);
console.log(`${results.length - failed.length} passed, ${failed.length} failed`);
process.exit(failed.length === 0 ? 0 : 1);
