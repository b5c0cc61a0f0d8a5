/** The stages of a test run: what each one runs, and what it can run beside. */
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

export type Stage = {
  readonly name: string;
  /** `check` needs no server, `root` needs root. */
  readonly kind: 'check' | 'test' | 'root';
  /** What computes all the time takes turns; what mostly waits for processes and clocks runs beside it. */
  readonly lane: 'computing' | 'waiting';
  readonly commands: readonly (readonly string[])[];
};

/** Test files below a folder, sorted, as arguments of the test runner. */
function nodeTests(patterns: readonly string[], atOnce = 1): readonly string[] {
  const files = globSync(patterns as string[], { cwd: root }).toSorted();
  return [process.execPath, '--test', `--test-concurrency=${atOnce}`, '--test-timeout=600000', ...files];
}

/** The kernels of ARM processors, emulated. Rust's own linker and musl's start files: no cross compiler is needed. */
function kernelsOnArm(): readonly string[] {
  const target = 'aarch64-unknown-linux-musl';
  const settings = [`target.${target}.linker="rust-lld"`, `target.${target}.runner="qemu-aarch64-static"`];
  const crates = ['--package', 'openlake-erasure', '--package', 'openlake-checksum', '--features', 'openlake-erasure/shuffle'];
  return cargo('test', '--target', target, ...settings.flatMap((setting) => ['--config', setting]), ...crates, '--quiet');
}

const imageTests = ['test/kube/images.test.ts', 'test/kube/operator-image.test.ts'];

/** In the order in which a mistake is cheapest to find; of those that wait, the longest first. */
export const stages: readonly Stage[] = [
  { name: 'types', kind: 'check', lane: 'computing', commands: [[bin('tsc'), '--noEmit', '-p', '.']] },
  { name: 'lint', kind: 'check', lane: 'computing', commands: [[bin('oxlint'), '--type-aware', '--deny-warnings', '.']] },
  { name: 'format', kind: 'check', lane: 'computing', commands: [[bin('biome'), 'check', '.'], cargo('fmt', '--all', '--check')] },
  { name: 'dead code', kind: 'check', lane: 'computing', commands: [[bin('knip')]] },
  { name: 'architecture', kind: 'check', lane: 'computing', commands: [nodeTests(['test/architecture/*.test.ts'])] },
  {
    name: 'clippy',
    kind: 'test',
    lane: 'computing',
    commands: [cargo('clippy', '--workspace', '--all-targets', '--quiet', '--', '-D', 'warnings')],
  },
  {
    name: 'rust',
    kind: 'test',
    lane: 'computing',
    // The kernels that a build has to choose are tested too.
    commands: [cargo('test', '--workspace', '--quiet'), cargo('test', '--package', 'openlake-erasure', '--features', 'shuffle', '--quiet')],
  },
  { name: 'arm', kind: 'root', lane: 'computing', commands: [kernelsOnArm()] },
  {
    name: 'model',
    kind: 'test',
    lane: 'computing',
    commands: [
      ['cargo', 'fmt', '--manifest-path', 'test/model/Cargo.toml', '--check'],
      ['cargo', 'clippy', '--manifest-path', 'test/model/Cargo.toml', '--all-targets', '--quiet', '--', '-D', 'warnings'],
      ['cargo', 'test', '--manifest-path', 'test/model/Cargo.toml', '--quiet'],
    ],
  },
  { name: 'faults', kind: 'root', lane: 'waiting', commands: [[process.execPath, 'test/faults/run.ts']] },
  { name: 'cluster', kind: 'test', lane: 'waiting', commands: [nodeTests(['test/cluster/**/*.test.ts'], 2)] },
  { name: 'kube', kind: 'root', lane: 'waiting', commands: [[process.execPath, 'test/kube/run.ts']] },
  // Builds need the package registries, so these stay in this machine's network.
  {
    name: 'images',
    kind: 'root',
    lane: 'waiting',
    commands: [[process.execPath, '--test', '--test-isolation=none', ...imageTests]],
  },
  {
    name: 'drive',
    kind: 'root',
    lane: 'waiting',
    // Built first, as it may have to wait for the other builds; with the features of all crates, so that it shares what those compile.
    commands: [cargo('build', '--workspace', '--example', 'torture', '--quiet'), nodeTests(['test/drive/*.test.ts'])],
  },
  { name: 'unit', kind: 'test', lane: 'waiting', commands: [nodeTests(['test/{native,node,operator}/**/*.test.ts'])] },
];

/** The stages that the words of a command line ask for: `check`, `core`, names of stages, or nothing for all. */
export function wantedStages(names: readonly string[]): readonly Stage[] {
  const isWanted = (stage: Stage): boolean =>
    names.length === 0 ||
    names.includes(stage.name) ||
    (names.includes('check') && stage.kind === 'check') ||
    (names.includes('core') && stage.kind !== 'root');
  return stages.filter(isWanted);
}
