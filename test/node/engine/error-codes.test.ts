/** The data plane's error codes are in the one table, with the same status. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { loadAddon } from '../../../node/engine/addon.ts';
import { s3ErrorTable } from '../../../node/s3/errors.ts';

test('every code that the data plane sends is in the table with its status', () => {
  const table: Readonly<Record<string, { readonly status: number }>> = s3ErrorTable;
  const codes = loadAddon().errorCodes();
  assert.ok(codes.length > 0);
  for (const { code, status } of codes) assert.equal(table[code]?.status, status, code);
});

test('a missing data plane is reported with what to do', () => {
  assert.throws(() => loadAddon('/nowhere/openlake.node'), /is missing\.\n {2}1\. Run `npm run build`/);
});
