/** Set health: what nodes say, believed when two agree. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { LayoutStatus } from '../../../operator/api/status.ts';
import { isBootstrapped, mergeSetViews, type NodeView, setState } from '../../../operator/plan/sets.ts';

const layout: LayoutStatus = {
  epoch: 1,
  hash: '',
  sets: [{ id: 3, pool: 'p0', data: 2, parity: 2, weight: 100, slots: ['0/0', '1/0', '2/0', '3/0'] }],
  pools: [],
};

function view(nodeId: number, voting: number, atMs = 1000): NodeView {
  const slots = [0, 1, 2, 3].map((slot) => ({ slot, nodeId: slot, drive: 0, state: slot < voting ? 'Serving' : 'Unreachable' }));
  return { nodeId, atMs, sets: [{ id: 3, voting, slots }] };
}

function merged(views: readonly NodeView[], nodes = 4) {
  const [health] = mergeSetViews(layout, { views, nowMs: 5000, nodes });
  assert.ok(health !== undefined);
  return health;
}

test('states follow the quorums', () => {
  const states = [0, 1, 2, 3, 4].map((voting) => setState({ data: 2, parity: 2 }, voting));
  assert.deepEqual(states, ['Offline', 'Offline', 'ReadOnly', 'Degraded', 'Healthy']);
});

test('a state needs two nodes that agree', () => {
  assert.equal(merged([view(0, 4), view(1, 4)]).state, 'Healthy');
  assert.equal(merged([view(0, 4)]).state, 'Unknown');
  assert.equal(merged([]).reason, 'no node answers');
  assert.equal(merged([view(0, 4), view(1, 3)]).state, 'Unknown');
  assert.match(merged([view(0, 4), view(1, 3)]).reason, /no 2 agree: node 0 sees 4 voting, node 1 sees 3 voting/);
  assert.equal(merged([view(0, 4), view(1, 3), view(2, 3)]).state, 'Degraded');
  assert.equal(merged([view(0, 4), view(1, 4), view(2, 3), view(3, 3)]).state, 'Degraded');
});

/** The view of a node that says how its own slot is. */
function healView(
  nodeId: number,
  options: { readonly voting?: number; readonly heal?: string; readonly hintsHeld?: number } = {},
): NodeView {
  const { voting = 4, heal = 'Whole', hintsHeld = 0 } = options;
  const base = view(nodeId, voting);
  const sets = base.sets.map((set) => ({ ...set, slots: set.slots.map((slot) => (slot.slot === nodeId ? { ...slot, heal } : slot)) }));
  return { ...base, sets, hintsHeld };
}

test('a version may have W shards until all slots are whole and no hint is left, then all of them', () => {
  const nodes = [0, 1, 2, 3];
  const all = merged(nodes.map((node) => healView(node)));
  assert.deepEqual([all.minShards, all.healing], [4, '']);
  const hinted = merged(nodes.map((node) => healView(node, { hintsHeld: node === 2 ? 7 : 0 })));
  assert.deepEqual([hinted.minShards, hinted.healing], [3, '7 keys that slots missed are not healed yet']);
  const catchingUp = merged(nodes.map((node) => healView(node, { heal: node === 1 ? 'Healing' : 'Whole' })));
  assert.deepEqual([catchingUp.minShards, catchingUp.healing], [3, 'slot 1 is Healing']);
  // A slot that is being filled holds nothing for certain.
  const blank = merged(nodes.map((node) => healView(node, { heal: node < 2 ? 'Dirty' : 'Whole' })));
  assert.equal(blank.minShards, 2);
  // Nodes that do not say it, and slots that are away.
  assert.deepEqual(merged(nodes.map((node) => view(node, 4))).minShards, 3);
  assert.deepEqual(merged([0, 1, 2].map((node) => healView(node, { voting: 3 }))).minShards, 3);
  assert.deepEqual(merged([healView(0)]).minShards, 0);
});

test('one view is enough in a cluster of one node', () => {
  assert.equal(merged([view(0, 4)], 1).state, 'Healthy');
});

test('old views do not count', () => {
  const [health] = mergeSetViews(layout, { views: [view(0, 4, 1000), view(1, 4, 20_000)], nowMs: 20_000, nodes: 4 });
  assert.equal(health?.state, 'Unknown');
});

test('slots that do not serve are named', () => {
  assert.equal(merged([view(0, 3), view(1, 3)]).reason, 'slot 3 (node 3, drive 0) is Unreachable');
});

test('a merged state never claims more than two views support', () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 0, max: 4 }), { maxLength: 6 }), (votes) => {
      const health = merged(votes.map((voting, nodeId) => view(nodeId, voting)));
      const supported = votes.filter((voting) => voting === health.voting).length;
      assert.ok(health.state === 'Unknown' || supported >= 2);
      assert.equal(health.witnesses.length, health.state === 'Unknown' ? 0 : supported);
    }),
  );
});

test('bootstrap latches when every set is healthy, and stays', () => {
  const healthy = merged([view(0, 4), view(1, 4)]);
  const degraded = merged([view(0, 3), view(1, 3)]);
  assert.equal(isBootstrapped(false, [healthy]), true);
  assert.equal(isBootstrapped(false, [healthy, degraded]), false);
  assert.equal(isBootstrapped(true, [degraded]), true);
  assert.equal(isBootstrapped(false, []), false);
});
