/** A target folder that several checkouts share: what differs in content is compiled again, all else is taken as it is. */
import assert from 'node:assert/strict';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { trustContent } from '../../native/content-freshness.mjs';

const LONG_AGO = new Date('2020-01-01T00:00:00Z');
const UNITS = ['openlake-io-0123456789abcdef', 'openlake-drive-0123456789abcdef', 'libc-0123456789abcdef'] as const;

/** A target folder as cargo leaves it, with one fingerprint for each of two own crates and one from outside. */
function target(context: TestContext): { readonly folder: string; readonly fill: () => void; readonly kept: () => readonly string[] } {
  const folder = mkdtempSync(join(tmpdir(), 'openlake-target-'));
  context.after(() => rmSync(folder, { recursive: true, force: true }));
  const path = (unit: string): string => join(folder, 'release', '.fingerprint', unit);
  const fill = (): void => {
    for (const unit of UNITS) {
      mkdirSync(path(unit), { recursive: true });
      writeFileSync(join(path(unit), 'dep-lib'), '');
      utimesSync(join(path(unit), 'dep-lib'), LONG_AGO, LONG_AGO);
    }
  };
  fill();
  return { folder, fill, kept: () => UNITS.filter((unit) => existsSync(path(unit))) };
}

test('without a note of what was compiled, every own crate is compiled again, and no other', (context) => {
  const { folder, kept } = target(context);
  trustContent(folder);
  assert.deepEqual(kept(), [UNITS[2]]);
});

test('what was noted stays, and is newer than any source', (context) => {
  const { folder, fill, kept } = target(context);
  const note = trustContent(folder);
  fill();
  note();
  trustContent(folder);
  assert.deepEqual(kept(), UNITS);
  const source = statSync(join(import.meta.dirname, '../../native/io/Cargo.toml'));
  assert.ok(statSync(join(folder, 'release/.fingerprint', UNITS[0], 'dep-lib')).mtimeMs >= source.mtimeMs);
});

test('a crate of other content is compiled again', (context) => {
  const { folder, fill, kept } = target(context);
  const note = trustContent(folder);
  fill();
  note();
  const file = join(folder, 'sources.json');
  writeFileSync(file, JSON.stringify({ ...JSON.parse(readFileSync(file, 'utf8')), drive: 'other' }));
  trustContent(folder);
  assert.deepEqual(kept(), [UNITS[0], UNITS[2]]);
});

test('a run that was cut off leaves nothing to be trusted', (context) => {
  const { folder, fill, kept } = target(context);
  const note = trustContent(folder);
  fill();
  note();
  trustContent(folder);
  fill();
  trustContent(folder);
  assert.deepEqual(kept(), [UNITS[2]]);
});
