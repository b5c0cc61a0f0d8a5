/** docs/reference/custom-resources.md and the schema name the same fields and defaults; its table of layouts is computed. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { defaultCoding, tolerance } from '../../../node/layout/quorum.ts';
import { referencePage } from '../../../operator/api/reference-page.ts';

const page = readFileSync(new URL('../../../docs/reference/custom-resources.md', import.meta.url), 'utf8');

test('the page is what is generated from the schema and the meanings of its fields', () => {
  assert.equal(referencePage(page), page, 'run npm run generate');
  assert.ok(page.includes('| `network.s3Port` | `9000` | where nodes answer S3 clients |'));
  assert.throws(() => assert.equal(referencePage(page.replace('`9000`', '`9009`')), page.replace('`9000`', '`9009`')));
});

test('the table of default layouts is what the layout function chooses', () => {
  const rows = [...page.matchAll(/^\| (\d+) x (\d+) \| (\d+)\+(\d+) \| (\d+) nodes? \| (\d+) nodes? \| (\d+) % \|$/gm)].map((row) =>
    row.slice(1).map(Number),
  );
  assert.ok(rows.length >= 7);
  for (const [nodes = 0, drives = 0, ...expected] of rows) {
    const coding = defaultCoding(nodes, drives);
    assert.ok(coding !== undefined, `${nodes} x ${drives}`);
    const size = coding.data + coding.parity;
    const { writesLose, readsLose } = tolerance(coding, Math.ceil(size / nodes));
    const usable = Math.floor((100 * coding.data) / size);
    assert.deepEqual(expected, [coding.data, coding.parity, writesLose.nodes, readsLose.nodes, usable], `${nodes} x ${drives}`);
  }
});
