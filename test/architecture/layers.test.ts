/** Imports point down the table in ARCHITECTURE.md, in TypeScript and in Rust. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { importTable, readSource, repositoryImports, sourceFiles } from './sources.ts';

/** What the operator may take from the node. */
const operatorMayTake = [/^node\/layout\//, /^node\/config\//, /^node\/admin\/schemas\.ts$/];

/** The layer of a file: its folder within the tree, or `main` for the tree's entry. */
function layerOf(path: string): string {
  const [, second] = path.split('/');
  return (second ?? '').replace(/\.ts$/, '');
}

function forbidden(path: string, target: string): string | undefined {
  const [tree] = path.split('/') as ['node' | 'operator'];
  const [targetTree] = target.split('/');
  if (target === 'package.json') return undefined;
  if (targetTree !== tree) {
    const allowed = tree === 'operator' && operatorMayTake.some((pattern) => pattern.test(target));
    return allowed ? undefined : `${path} imports ${target} across trees`;
  }
  const [from, to] = [layerOf(path), layerOf(target)];
  if (from === to || importTable(tree).get(from)?.has(to) === true) return undefined;
  return `${path} (${from}) imports ${target} (${to}), which does not stand below it`;
}

test('TypeScript imports point down the import table', () => {
  const files = sourceFiles(/^(node|operator)\/.*\.ts$/);
  assert.ok(files.length > 20, `expected to find the sources, found ${files.length} files`);
  const wrong = files.flatMap((path) => repositoryImports(path).flatMap((target) => forbidden(path, target) ?? []));
  assert.deepEqual(wrong, []);
});

test('the layer check itself refuses an upward import', () => {
  assert.match(forbidden('node/engine/addon.ts', 'node/s3/router.ts') ?? '', /does not stand below/);
  assert.match(forbidden('node/main.ts', 'operator/api/cluster.ts') ?? '', /across trees/);
  assert.equal(forbidden('node/s3/router.ts', 'node/engine/addon.ts'), undefined);
});

test('TypeScript files form no import cycle', () => {
  const files = sourceFiles(/^(node|operator|test)\/.*\.ts$/);
  const state = new Map<string, 'open' | 'done'>();
  const visit = (path: string, trail: readonly string[]): void => {
    if (state.get(path) === 'done') return;
    assert.notEqual(state.get(path), 'open', `import cycle: ${[...trail, path].join(' -> ')}`);
    state.set(path, 'open');
    for (const target of repositoryImports(path)) if (target.endsWith('.ts')) visit(target, [...trail, path]);
    state.set(path, 'done');
  };
  for (const path of files) visit(path, []);
});

test('Rust crates depend only on crates below them', () => {
  const table = importTable('native');
  const manifests = sourceFiles(/^native\/[a-z]+\/Cargo\.toml$/);
  assert.ok(manifests.length >= 9, `expected the workspace's crates, found ${manifests.length}`);
  const wrong = manifests.flatMap((path) => {
    const crate = path.split('/')[1] as string;
    const dependencies = [...readSource(path).matchAll(/^openlake-([a-z]+)\s*=/gm)].map((match) => match[1] as string);
    return dependencies.filter((name) => table.get(crate)?.has(name) !== true).map((name) => `${crate} depends on ${name}`);
  });
  assert.deepEqual(wrong, []);
});
