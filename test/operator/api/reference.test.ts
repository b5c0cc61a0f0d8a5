/** docs/reference/custom-resources.md and the schema name the same fields and defaults; its table of layouts is computed. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { defaultCoding, tolerance } from '../../../node/layout/quorum.ts';
import { SpecSchema } from '../../../operator/api/cluster.ts';
import { Pool } from '../../../operator/api/pool.ts';

type Schema = { readonly default?: unknown; readonly properties?: Readonly<Record<string, Schema>> };

const page = readFileSync(new URL('../../../docs/reference/custom-resources.md', import.meta.url), 'utf8');

/** Fields of a section's table with their defaults. */
function documented(title: string): Map<string, string> {
  const section = page.split(/^## /m).find((part) => part.startsWith(`${title}\n`)) ?? '';
  return new Map([...section.matchAll(/^\| `([A-Za-z0-9.]+)` \| (.*?) ?\|/gm)].map(([, field = '', fallback = '']) => [field, fallback]));
}

/** Fields with their defaults, one level of tables deep, two where all of a table has defaults; what lies deeper is told in the field's meaning. */
function defined(schema: Schema, whole: readonly string[]): Map<string, string> {
  const fields = Object.entries(schema.properties ?? {}).flatMap(([name, field]): [string, Schema][] => {
    if (field.properties === undefined || whole.includes(name)) return [[name, field]];
    return Object.entries(field.properties).flatMap(([key, child]): [string, Schema][] => {
      if (typeof child.default !== 'object' || child.properties === undefined) return [[`${name}.${key}`, child]];
      return Object.entries(child.properties).map(([inner, last]) => [`${name}.${key}.${inner}`, last]);
    });
  });
  return new Map(fields.map(([name, { default: fallback }]) => [name, fallback === undefined ? '' : `\`${String(fallback)}\``]));
}

test('the page and the schema name the same fields and defaults', () => {
  assert.deepEqual(documented('spec'), defined(SpecSchema as Schema, []));
  assert.deepEqual(documented('spec.pools'), defined(Pool as Schema, ['erasure']));
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
