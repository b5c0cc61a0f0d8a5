/** The list page's packed form is the one that the data plane writes. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { readListPage } from '../../../node/engine/list-page.ts';

test('a page reads as it was packed', () => {
  // The same page and bytes as in native/addon/src/list_page.rs.
  const bytes = Buffer.from(
    '01000000010000000000000002000000' +
      '02000000040003000500000000000000' +
      '0068e5cf8b01000007070707070707070707070707070707' +
      '0600000002000000' +
      '622f612fc3a9622f',
    'hex',
  );
  assert.deepEqual(readListPage(bytes), {
    rows: [{ key: 'a/é', size: 5, etag: `${'07'.repeat(16)}-3`, lastModifiedMs: 1_700_000_000_000 }],
    prefixes: ['b/'],
    next: Buffer.from('b/'),
  });
});

test('an empty page has no next', () => {
  const bytes = Buffer.from('000000000000000000000000ffffffff', 'hex');
  assert.deepEqual(readListPage(bytes), { rows: [], prefixes: [], next: undefined });
});
