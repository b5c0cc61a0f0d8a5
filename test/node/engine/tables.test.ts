/** The tables' packed form is the one that the data plane reads. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { packTables, type Tables } from '../../../node/engine/tables.ts';
import { nodeTables } from '../../../node/main/node-tables.ts';
import { sampleConfig } from '../config/sample-config.ts';

const fixture = (name: string): Buffer => readFileSync(new URL(`../../fixtures/${name}`, import.meta.url));

test('tables pack to the golden bytes', () => {
  const tables = JSON.parse(fixture('tables.json').toString()) as Tables;
  assert.deepEqual(packTables(tables), fixture('tables.bin'));
});

test('the tables of a configuration hold its identities, limits and every error', () => {
  const tables = nodeTables(sampleConfig(), 7);
  assert.deepEqual([tables.version, tables.region, tables.limits.connections], [7, 'us-east-1', 4096]);
  assert.deepEqual(tables.identities, [{ accessKey: 'AKIASAMPLE', secretKey: 'sample-secret-key' }]);
  assert.ok(tables.errors.some((error) => error.code === 'SlowDown' && error.status === 503));
  for (const place of ['{code}', '{message}', '{resource}', '{request_id}']) assert.ok(tables.errorTemplate.includes(place), place);
});
