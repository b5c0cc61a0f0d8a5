/**
 * Runs every check and test of the repository in the order in which a mistake is cheapest to find, and ends with one line of totals.
 *
 *   node test/run.ts            everything but the stages on Kubernetes
 *   node test/run.ts check      only what needs no server: types, lint, format, dead code, architecture
 *   node test/run.ts kube       the operator on a real control plane, and the images (npm run test:kube installs what they need)
 *   node test/run.ts NAME ...   only the named stages
 */
import { spawnSync } from 'node:child_process';
import { globSync } from 'node:fs';
import { join } from 'node:path';

const root = join(import.meta.dirname, '..');
const bin = (name: string): string => join(root, 'node_modules', '.bin', name);
const cargo = (verb: string, ...words: readonly string[]): readonly string[] => [
  'cargo',
  verb,
  '--manifest-path',
  'native/Cargo.toml',
  ...words,
];

type Stage = { readonly name: string; readonly kind: 'check' | 'test' | 'kube'; readonly commands: readonly (readonly string[])[] };

/** Test files below a folder, sorted, as arguments of the test runner. One file at a time: the tests share two cores. */
function nodeTests(...patterns: readonly string[]): readonly string[] {
  const files = globSync(patterns as string[], { cwd: root }).toSorted();
  return [process.execPath, '--test', '--test-concurrency=1', '--test-timeout=600000', ...files];
}

/**
 * The tests on Kubernetes: in one process, because they share one control plane, and in a network namespace of their own, because
 * nodes of a cluster need addresses that are not loopback ones. Image builds need the package registries and stay outside of it.
 */
function kubeTests(): readonly (readonly string[])[] {
  const files = globSync('test/kube/*.test.ts', { cwd: root }).toSorted();
  const images = files.filter((file) => file.includes('image'));
  const others = files.filter((file) => !file.includes('image'));
  const run = [process.execPath, '--test', '--test-isolation=none'];
  return [
    ['unshare', '--net', 'sh', '-c', 'ip link set lo up && exec "$0" "$@"', ...run, ...others],
    [...run, ...images],
  ];
}

const stages: readonly Stage[] = [
  { name: 'types', kind: 'check', commands: [[bin('tsc'), '--noEmit', '-p', '.']] },
  { name: 'lint', kind: 'check', commands: [[bin('oxlint'), '--type-aware', '--deny-warnings', '.']] },
  { name: 'format', kind: 'check', commands: [[bin('biome'), 'check', '.'], cargo('fmt', '--all', '--check')] },
  { name: 'dead code', kind: 'check', commands: [[bin('knip')]] },
  { name: 'architecture', kind: 'check', commands: [nodeTests('test/architecture/*.test.ts')] },
  { name: 'clippy', kind: 'test', commands: [cargo('clippy', '--workspace', '--all-targets', '--quiet', '--', '-D', 'warnings')] },
  { name: 'rust', kind: 'test', commands: [cargo('test', '--workspace', '--quiet')] },
  { name: 'unit', kind: 'test', commands: [nodeTests('test/node/**/*.test.ts', 'test/operator/**/*.test.ts')] },
  { name: 'cluster', kind: 'test', commands: [nodeTests('test/cluster/**/*.test.ts')] },
  { name: 'kube', kind: 'kube', commands: kubeTests() },
];

function runStage(stage: Stage): boolean {
  const startedMs = performance.now();
  console.log(`\n=== ${stage.name}`);
  const good = stage.commands.every(([command, ...args]) => {
    const result = spawnSync(command as string, args, { cwd: root, stdio: 'inherit' });
    if (result.status !== 0) console.log(`--- failed: ${command} ${args.slice(0, 6).join(' ')}`);
    return result.status === 0;
  });
  console.log(`=== ${stage.name}: ${good ? 'passed' : 'FAILED'} in ${((performance.now() - startedMs) / 1000).toFixed(1)} s`);
  return good;
}

const names = process.argv.slice(2);
const wanted = stages.filter((stage) =>
  names.length === 0 ? stage.kind !== 'kube' : names.includes(stage.name) || (names.includes('check') && stage.kind === 'check'),
);
if (wanted.length === 0) {
  console.error(`No stage is called ${names.join(', ')}: expected check or one of ${stages.map((stage) => stage.name).join(', ')}.`);
  process.exit(2);
}
const failed = wanted.filter((stage) => !runStage(stage));
if (failed.length > 0) console.log(`\nfailed stages: ${failed.map((stage) => stage.name).join(', ')}`);
console.log(`${wanted.length - failed.length} passed, ${failed.length} failed`);
process.exit(failed.length === 0 ? 0 : 1);
