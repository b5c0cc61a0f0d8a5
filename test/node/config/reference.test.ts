/** docs/reference/configuration.md and the schema name the same keys, defaults and ways to change them. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { compareConfigs } from '../../../node/config/reload.ts';
import { type NodeConfig, NodeConfigSchema } from '../../../node/config/schema.ts';
import { sampleConfig } from './sample-config.ts';

type Schema = {
  readonly type?: string;
  readonly default?: unknown;
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly items?: Schema;
};

type Row = { readonly key: string; readonly fallback: string; readonly change: string };

const page = readFileSync(new URL('../../../docs/reference/configuration.md', import.meta.url), 'utf8');
const rows: readonly Row[] = [...page.matchAll(/^\| `([a-z_0-9.]+)` \| (.*?) ?\| (.*?) \|/gm)].map(
  ([, key = '', fallback = '', change = '']) => ({
    key,
    fallback,
    change,
  }),
);

/** Keys of tables and lists of tables, one level deep, with their schemas. */
function schemaKeys(): Map<string, Schema> {
  const tables = Object.entries(NodeConfigSchema.properties as Readonly<Record<string, Schema>>);
  return new Map(
    tables.flatMap(([name, table]) =>
      Object.entries((table.items ?? table).properties ?? {}).map(([key, schema]): [string, Schema] => [`${name}.${key}`, schema]),
    ),
  );
}

test('the page and the schema name the same keys', () => {
  assert.deepEqual(rows.map((row) => row.key).toSorted(), [...schemaKeys().keys()].toSorted());
});

test('the page and the schema name the same defaults', () => {
  const keys = schemaKeys();
  for (const { key, fallback } of rows) {
    const schema = keys.get(key);
    if (schema?.default !== undefined) assert.equal(fallback, `\`${String(schema.default)}\``, key);
    else assert.doesNotMatch(fallback, /`/, `${key} has no fixed default`);
  }
});

/** With every table that there is. */
function wholeSample(): NodeConfig {
  return { ...sampleConfig(), peer_tls: { mode: 'require', certificate_file: '/tls.crt', key_file: '/tls.key', ca_file: '/ca.crt' } };
}

/** A sample that differs in one key, whatever sense it makes. */
function changed(key: string): NodeConfig {
  const config = structuredClone(wholeSample()) as unknown as Record<string, unknown>;
  const [table = '', field = ''] = key.split('.');
  const target = config[table] as Record<string, unknown> | Record<string, unknown>[];
  const entry = Array.isArray(target) ? target[0] : target;
  if (entry !== undefined) entry[field] = typeof entry[field] === 'boolean' ? !entry[field] : 'changed';
  return config as unknown as NodeConfig;
}

test('the page says how each key changes as reload decides it', () => {
  for (const { key, change } of rows) {
    const { live, restart, refused } = compareConfigs(wholeSample(), changed(key));
    assert.equal(live.length + restart.length + refused.length, 1, key);
    assert.equal(live.length === 1 ? 'live' : restart.length === 1 ? 'restart' : 'never', change, key);
  }
});
