/** Style that a machine can judge: file headers and lengths, calls that belong to the edges, words that must not appear. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { readSource, sourceFiles } from './sources.ts';

/** At this length a file holds more than one concept. */
const MAXIMUM_LINES = 400;

const code = sourceFiles(/\.(ts|mjs|rs)$/).filter((path) => !path.includes('/fixtures/'));

function violations(files: readonly string[], pattern: RegExp): readonly string[] {
  return files.flatMap((path) =>
    readSource(path)
      .split('\n')
      .flatMap((line, index) => (pattern.test(line.replace(/^\s*(\/\/|\*|\/\*).*/, '')) ? [`${path}:${index + 1}: ${line.trim()}`] : [])),
  );
}

test('every source file opens with what it is for', () => {
  const bare = code.filter((path) => !/^(#!.*\n)?(\/\*\*|\/\/|\/\*)/.test(readSource(path)));
  assert.deepEqual(bare, []);
});

test(`no source file is longer than ${MAXIMUM_LINES} lines`, () => {
  const long = code.map((path) => [path, readSource(path).split('\n').length] as const).filter(([, lines]) => lines > MAXIMUM_LINES);
  assert.deepEqual(long, []);
});

test('environment, exit, clock, chance and timers stand only at the edges', () => {
  const edge =
    /^(test\/|native\/[^/]+\.mjs|node\/(main\.ts|cli\/|config\/|engine\/clock\.ts)|operator\/(main\.ts|cli\/|local\/|kube\/|api\/crd\.ts))/;
  const inner = code.filter((path) => /\.(ts|mjs)$/.test(path) && !edge.test(path));
  assert.deepEqual(
    violations(inner, /\bprocess\.(env|exit)\b|\bDate\.now\(|\bMath\.random\(|\bset(Timeout|Interval)\(|\bnew Date\(\)/),
    [],
  );
});

test('only native/io reaches files, sockets, threads and clocks', () => {
  const above = code.filter(
    (path) => /^native\/(?!io\/)[a-z]+\/src\/.*\.rs$/.test(path) && !/^native\/(addon|bench)\/|\/tests\//.test(path),
  );
  assert.deepEqual(violations(above, /\bstd::(fs|thread)\b|\bstd::time::(Instant|SystemTime)\b|\bstd::net::(Tcp|Udp)/), []);
});

test('unsafe stands only where it may, each with a SAFETY sentence', () => {
  const safe = code.filter((path) => path.endsWith('.rs') && !/^native\/(io|addon)\/|\/simd\//.test(path));
  assert.deepEqual(violations(safe, /\bunsafe\s*(\{|fn|impl)/), []);
});

test('no work is left marked as to be done', () => {
  const marks = new RegExp(['TO', 'DO|FIX', 'ME|XX', 'X\\b|\\btodo', '!\\('].join(''));
  assert.deepEqual(violations(code, marks), []);
});

test('documentation of Rust holds drawings, no examples: those would be compiled one by one, and are not run', () => {
  const rust = code.filter((path) => path.endsWith('.rs'));
  const fences = rust.flatMap((path) => {
    const marks = [...readSource(path).matchAll(/^\s*\/\/[/!] *```(.*)$/gm)].map(([, language]) => language ?? '');
    return marks.filter((language, index) => index % 2 === 0 && language !== 'text').map((language) => `${path}: \`\`\`${language}`);
  });
  assert.deepEqual(fences, []);
});

test('the repository speaks of the product alone', () => {
  const texts = sourceFiles(/\.(ts|mjs|rs|md|toml|yaml|yml)$|^package\.json$|Dockerfile|^\.ci\//);
  const strays = violations(texts, new RegExp(['(^|[^A-Za-z0-9_.])/', '(wo', 'rk|fa', 'rm)/'].join('')));
  assert.deepEqual(strays, []);
});

test('the top level holds what the architecture names, documents and dotfiles', () => {
  const expected =
    /^(package(-lock)?\.json|tsconfig\.json|operator|node|crds|helm|native|test|docs|Dockerfile\.(node|operator)|[A-Z]+\.md|\..+)$/;
  const entries = new Set(sourceFiles(/./).map((path) => path.split('/')[0] as string));
  assert.deepEqual(
    [...entries].filter((entry) => !expected.test(entry)),
    [],
  );
});

test('every test file asserts something', () => {
  const tests = sourceFiles(/^test\/.*\.test\.ts$/);
  assert.deepEqual(
    tests.filter((path) => !/\bassert\b/.test(readSource(path))),
    [],
  );
});
