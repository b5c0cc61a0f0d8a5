/** `openlake bench drive`, as a user calls it: a small drive in a folder of its own, figures of all phases, nothing left behind. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { test } from 'node:test';

const program = path.resolve(import.meta.dirname, '../../operator/cli/main.ts');

function benchDrive(...words: readonly string[]): { readonly status: number | null; readonly stdout: string; readonly stderr: string } {
  return spawnSync(process.execPath, [program, 'bench', 'drive', ...words], { encoding: 'utf8' });
}

test('bench drive measures a scratch drive beside the bare disk and removes it', (context) => {
  const folder = mkdtempSync(path.join(tmpdir(), 'openlake-bench-test-'));
  context.after(() => rmSync(folder, { recursive: true, force: true }));
  const ended = benchDrive(folder, '--n', '500', '--bulk', '4', '--capacity', '1GiB', '--json');
  assert.equal(ended.status, 0, ended.stderr);
  const report = JSON.parse(ended.stdout) as { keys: number; phases: { floor: boolean; figures: { name: string; count: number } }[] };
  const count = (name: string): number | undefined => report.phases.find((phase) => phase.figures.name === name)?.figures.count;
  assert.deepEqual([count('put'), count('get hot'), count('get cold'), count('append 1 MiB')], [500, 500, 500, 4]);
  assert.equal(report.phases.filter((phase) => phase.floor).length, 3);
  assert.equal(report.keys, 504);
  assert.deepEqual(readdirSync(folder), []);
});

test('bench drive says what is wrong with its options', () => {
  const missing = benchDrive('/nowhere/at/all');
  assert.equal(missing.status, 2);
  assert.match(missing.stderr, /\/nowhere\/at\/all/);
  const large = benchDrive(tmpdir(), '--size', '1MiB');
  assert.equal(large.status, 2);
  assert.match(large.stderr, /--size is '1MiB': expected 1 B to 64 KiB/);
});
