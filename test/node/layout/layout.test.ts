/** Layout: every drive once, spread over nodes and zones; quorums as the protocol's table lists them. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { layoutHash } from '../../../node/layout/hash.ts';
import { describeSet, type LayoutNode, layoutPool, mostPerNode } from '../../../node/layout/layout.ts';
import { defaultCoding, quorums, tolerance } from '../../../node/layout/quorum.ts';

const pool = fc
  .record({
    size: fc.integer({ min: 2, max: 16 }),
    nodes: fc.integer({ min: 1, max: 40 }),
    zones: fc.integer({ min: 1, max: 5 }),
    parity: fc.nat(),
  })
  .chain(({ size, nodes, zones, parity }) =>
    fc.record({
      nodes: fc.array(fc.nat({ max: zones - 1 }), { minLength: nodes, maxLength: nodes }),
      // The smallest number of drives with which the nodes fill whole sets, times 1 to 3.
      drivesPerNode: fc.integer({ min: 1, max: 3 }).map((times) => times * (size / gcd(size, nodes))),
      data: fc.constant(size - 1 - (parity % (size - 1))),
      size: fc.constant(size),
    }),
  )
  .map(({ nodes, drivesPerNode, data, size }) => ({
    pool: 'p0',
    nodes: nodes.map((zone, id): LayoutNode => ({ id, zone: `zone-${zone}` })),
    drivesPerNode,
    data,
    parity: size - data,
    weight: 100,
    firstSetId: 7,
  }));

function gcd(left: number, right: number): number {
  return right === 0 ? left : gcd(right, left % right);
}

test('layout uses every drive exactly once and spreads each set over as many nodes as there are', () => {
  fc.assert(
    fc.property(pool, (input) => {
      const sets = layoutPool(input);
      const size = input.data + input.parity;
      const used = sets.flatMap((set) => set.slots.map((slot) => `${slot.node}/${slot.drive}`));
      assert.equal(new Set(used).size, input.nodes.length * input.drivesPerNode);
      assert.equal(used.length, input.nodes.length * input.drivesPerNode);
      for (const [index, set] of sets.entries()) {
        assert.equal(set.id, 7 + index);
        assert.equal(set.slots.length, size);
        assert.equal(mostPerNode(set.slots), Math.ceil(size / input.nodes.length));
      }
    }),
  );
});

test('layout gives each zone of equal size its equal part of every set', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 5 }),
      fc.integer({ min: 1, max: 4 }),
      fc.integer({ min: 1, max: 3 }),
      (zones, perZone, drives) => {
        const nodes = Array.from({ length: zones * perZone }, (_, id) => ({ id, zone: `z${id % zones}` }));
        const size = Math.max(2, zones);
        fc.pre((nodes.length * drives) % size === 0);
        for (const set of layoutPool({ pool: 'p', nodes, drivesPerNode: drives, data: size - 1, parity: 1, weight: 1, firstSetId: 0 })) {
          const counts = new Map<number, number>();
          for (const slot of set.slots) counts.set(slot.node % zones, (counts.get(slot.node % zones) ?? 0) + 1);
          assert.ok(Math.max(...counts.values()) <= Math.ceil(size / zones));
        }
      },
    ),
  );
});

test('layout does not depend on the order of nodes', () => {
  fc.assert(
    fc.property(pool, (input) => {
      assert.deepEqual(layoutPool({ ...input, nodes: input.nodes.toReversed() }), layoutPool(input));
    }),
  );
});

test('layout refuses drives that do not fill whole sets, and a node listed twice', () => {
  const input = { pool: 'p0', nodes: [{ id: 0, zone: 'z' }], drivesPerNode: 3, data: 2, parity: 2, weight: 1, firstSetId: 0 };
  assert.throws(() => layoutPool(input), /pool p0: 1 nodes x 3 drives = 3 drives do not fill whole sets of 2\+2 = 4/);
  const twice = {
    ...input,
    nodes: [
      { id: 5, zone: 'z' },
      { id: 5, zone: 'y' },
    ],
    drivesPerNode: 2,
  };
  assert.throws(() => layoutPool(twice), /a node id stands twice in 5, 5/);
});

test('layout hash depends on epoch, coding, slots and weight, not on the order of sets', () => {
  const input = {
    pool: 'p0',
    nodes: [0, 1, 2, 3].map((id) => ({ id, zone: 'z' })),
    drivesPerNode: 2,
    data: 2,
    parity: 2,
    weight: 100,
    firstSetId: 0,
  };
  const sets = layoutPool(input);
  const hash = layoutHash({ epoch: 1, sets });
  assert.match(hash, /^[0-9a-f]{64}$/);
  assert.equal(layoutHash({ epoch: 1, sets: sets.toReversed() }), hash);
  assert.notEqual(layoutHash({ epoch: 2, sets }), hash);
  assert.notEqual(layoutHash({ epoch: 1, sets: layoutPool({ ...input, weight: 50 }) }), hash);
  assert.notEqual(layoutHash({ epoch: 1, sets: layoutPool({ ...input, data: 1, parity: 3 }) }), hash);
});

// k, m, W, R, M: the protocol's table.
const quorumTable: readonly (readonly [number, number, number, number, number])[] = [
  [1, 1, 2, 1, 1],
  [1, 2, 2, 2, 2],
  [2, 1, 2, 2, 2],
  [2, 2, 3, 2, 2],
  [3, 1, 3, 3, 2],
  [4, 1, 4, 4, 2],
  [4, 2, 5, 4, 2],
  [6, 2, 7, 6, 2],
  [6, 3, 7, 6, 3],
  [4, 4, 6, 4, 3],
  [8, 3, 9, 8, 3],
  [8, 4, 10, 8, 3],
  [12, 4, 14, 12, 3],
];

test('quorums equal the table', () => {
  for (const [data, parity, write, read, meet] of quorumTable) {
    assert.deepEqual(quorums({ data, parity }), { size: data + parity, write, read, meet }, `${data}+${parity}`);
  }
});

// nodes, drives per node in a set, k, m, nodes lost by writes, by reads, spare shards.
const toleranceTable: readonly (readonly [number, number, number, number, number])[] = [
  [1, 1, 2, 1, 1],
  [2, 3, 3, 1, 1],
  [1, 2, 2, 1, 2],
  [2, 5, 3, 1, 1],
  [2, 4, 4, 1, 2],
  [4, 12, 4, 0, 1],
  [1, 4, 2, 1, 2],
  [2, 12, 4, 1, 2],
  [1, 12, 4, 2, 4],
];

test('tolerances equal the table', () => {
  for (const [perNode, data, parity, writes, reads] of toleranceTable) {
    const found = tolerance({ data, parity }, perNode);
    assert.deepEqual([found.writesLose.nodes, found.readsLose.nodes], [writes, reads], `${data}+${parity}, ${perNode} a node`);
  }
  assert.equal(tolerance({ data: 4, parity: 4 }, 2).spareShards, 2);
  assert.equal(tolerance({ data: 3, parity: 1 }, 1).spareShards, 0);
});

test('any two quorums meet, and an acknowledged version can be decoded', () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 15 }), fc.integer({ min: 1, max: 15 }), (data, parity) => {
      fc.pre(data + parity <= 16);
      const { size, write, meet, read } = quorums({ data, parity });
      assert.ok(2 * write > size, 'two writes meet');
      assert.ok(write + meet > size, 'M answers meet every write');
      assert.ok(read >= data && read >= meet && write <= size);
      assert.ok(write - data >= Math.floor(parity / 2), 'floor(m/2) shards to spare');
    }),
  );
});

// nodes, drives a node, coding.
const defaults: readonly (readonly [number, number, string | undefined])[] = [
  [1, 4, undefined],
  [2, 4, undefined],
  [3, 1, '1+2'],
  [3, 2, '3+3'],
  [3, 4, '3+3'],
  [4, 1, '2+2'],
  [4, 2, '5+3'],
  [4, 4, '5+3'],
  [6, 1, '4+2'],
  [8, 1, '6+2'],
  [8, 2, '13+3'],
  [8, 4, '13+3'],
  [16, 1, '14+2'],
];

test('the default coding keeps writes on without one node, and gives most usable space', () => {
  for (const [nodes, drives, expected] of defaults) {
    const coding = defaultCoding(nodes, drives);
    assert.equal(coding && `${coding.data}+${coding.parity}`, expected, `${nodes} nodes x ${drives}`);
  }
});

test('the default coding, laid out, survives the loss of any node', () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 40 }), fc.integer({ min: 1, max: 16 }), (count, drivesPerNode) => {
      const coding = defaultCoding(count, drivesPerNode);
      fc.pre(coding !== undefined);
      const nodes = Array.from({ length: count }, (_, id) => ({ id, zone: 'z' }));
      for (const set of layoutPool({ pool: 'p', nodes, drivesPerNode, ...coding, weight: 1, firstSetId: 0 })) {
        const { tolerance: losses, drivesPerNode: most } = describeSet(set);
        assert.ok(losses.writesLose.nodes >= 1);
        assert.ok(set.parity >= most && losses.readsLose.nodes >= 1);
      }
    }),
  );
});
