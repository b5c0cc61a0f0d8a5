/** Placement: the golden vectors that the data plane reads too, and what rendezvous hashing promises. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import fc from 'fast-check';
import { placeKey } from '../../../node/layout/placement.ts';

type Vector = {
  readonly bucketId: string;
  readonly keyHex: string;
  readonly sets: readonly { readonly id: number; readonly weight: number }[];
  readonly expectedSetId: number;
};

const vectors = JSON.parse(readFileSync(new URL('../../fixtures/placement.json', import.meta.url), 'utf8')) as readonly Vector[];

const anySets = fc.uniqueArray(fc.record({ id: fc.nat({ max: 65535 }), weight: fc.integer({ min: 1, max: 1000 }) }), {
  selector: (set) => set.id,
  minLength: 1,
  maxLength: 20,
});
const anyObject = fc.record({ bucketId: fc.bigInt({ min: 0n, max: (1n << 64n) - 1n }), key: fc.uint8Array({ maxLength: 64 }) });

test('placement equals the golden vectors', () => {
  assert.equal(vectors.length, 20);
  for (const vector of vectors) {
    const found = placeKey({ bucketId: BigInt(vector.bucketId), key: Buffer.from(vector.keyHex, 'hex') }, vector.sets);
    assert.equal(found, vector.expectedSetId, JSON.stringify(vector));
  }
});

test('placement does not depend on the order of sets', () => {
  fc.assert(fc.property(anyObject, anySets, (object, sets) => assert.equal(placeKey(object, sets.toReversed()), placeKey(object, sets))));
});

test('a removed set moves only the keys that it held', () => {
  fc.assert(
    fc.property(anyObject, anySets, fc.nat(), (object, sets, index) => {
      fc.pre(sets.length > 1);
      // Unequal weights on both sides of the removal, so that both use the same score.
      const weighted = [...sets, { id: 70000, weight: 1 }, { id: 70001, weight: 2 }];
      const removed = sets[index % sets.length];
      const before = placeKey(object, weighted);
      const after = placeKey(
        object,
        weighted.filter((set) => set.id !== removed?.id),
      );
      if (before !== removed?.id) assert.equal(after, before);
    }),
  );
});

test('sets receive keys in proportion to their weights', () => {
  const sets = [
    { id: 0, weight: 100 },
    { id: 1, weight: 100 },
    { id: 2, weight: 200 },
  ];
  const counts = [0, 0, 0];
  for (let index = 0; index < 4000; index += 1) {
    const found = placeKey({ bucketId: 1n, key: Buffer.from(`key-${index}`) }, sets);
    counts[found] = (counts[found] ?? 0) + 1;
  }
  // Binomial with n = 4000: five standard deviations are 137 and 158 keys.
  assert.ok(Math.abs((counts[0] ?? 0) - 1000) < 137, `counts ${counts}`);
  assert.ok(Math.abs((counts[2] ?? 0) - 2000) < 158, `counts ${counts}`);
});

test('a set of weight 0 takes no keys while there are others', () => {
  fc.assert(
    fc.property(anyObject, (object) =>
      assert.notEqual(
        placeKey(object, [
          { id: 1, weight: 0 },
          { id: 2, weight: 5 },
        ]),
        1,
      ),
    ),
  );
  assert.equal(placeKey({ bucketId: 0n, key: Buffer.from('k') }, [{ id: 9, weight: 0 }]), 9);
});

test('placement refuses what is not a place', () => {
  assert.throws(() => placeKey({ bucketId: 1n, key: Buffer.from('k') }, []), /there is no set/);
  assert.throws(() => placeKey({ bucketId: -1n, key: Buffer.from('k') }, [{ id: 0, weight: 1 }]), /bucket -1: it is not a 64-bit number/);
});
