/** docs/reference/reasons.md lists exactly the reasons that the operator writes. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { reasons } from '../../../operator/api/reasons.ts';

test('the page and the table of reasons are the same', () => {
  const page = readFileSync(new URL('../../../docs/reference/reasons.md', import.meta.url), 'utf8');
  const listed = [...page.matchAll(/^\| `(\w+)` \| (\w+) \| (.+) \|$/gm)].map(([, reason, place, impact]) => ({ reason, place, impact }));
  assert.deepEqual(
    listed,
    Object.entries(reasons).map(([reason, { place, impact }]) => ({ reason, place, impact })),
  );
});
