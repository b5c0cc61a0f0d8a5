/** Membership: who is chosen, who is not and why; decided once. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { type Taint, tolerationsOf } from '../../../operator/desired/tolerations.ts';
import { type Candidate, chooseMembers, whyNot } from '../../../operator/plan/membership.ts';
import { plan } from '../../../operator/plan/plan.ts';
import { sampleCandidates, sampleCluster, samplePlanInput } from '../sample-cluster.ts';

const node: Candidate = { name: 'gpu-1', address: '10.0.0.1', labels: {}, resources: [] };

function reason(nodes: object, candidate: Partial<Candidate>): string | undefined {
  const [pool] = sampleCluster(({ pool: draft }) => Object.assign(draft, { nodes: { count: 4, gpu: 'Ignore', rdma: 'Ignore', ...nodes } }))
    .spec.pools;
  assert.ok(pool !== undefined);
  return whyNot({ ...node, ...candidate }, pool);
}

test('a required GPU is any of its labels or resources', () => {
  assert.match(reason({ gpu: 'Require' }, {}) ?? '', /^has no GPU: none of the labels nvidia.com\/gpu.present, /);
  assert.equal(reason({ gpu: 'Require' }, { labels: { 'nvidia.com/gpu.present': 'true' } }), undefined);
  assert.equal(reason({ gpu: 'Require' }, { labels: { 'feature.node.kubernetes.io/amd-gpu': 'true' } }), undefined);
  assert.equal(reason({ gpu: 'Require' }, { resources: ['amd.com/gpu'] }), undefined);
  assert.equal(reason({ gpu: 'Ignore' }, {}), undefined);
});

test('required RDMA is any of its labels or resources, with a driver that is ready', () => {
  assert.match(reason({ rdma: 'Require' }, {}) ?? '', /^has no RDMA/);
  assert.equal(reason({ rdma: 'Require' }, { resources: ['rdma/hca_shared_devices_a'] }), undefined);
  assert.equal(reason({ rdma: 'Prefer' }, {}), undefined);
  const waiting = { 'feature.node.kubernetes.io/rdma.capable': 'true', 'network.nvidia.com/operator.mofed.wait': 'true' };
  assert.match(reason({ rdma: 'Require' }, { labels: waiting }) ?? '', /its network driver is not ready/);
});

test('a selector narrows, and says which label did not match', () => {
  const selector = { matchLabels: { tier: 'storage' }, matchExpressions: [{ key: 'rack', operator: 'NotIn', values: ['r9'] }] };
  assert.equal(reason({ selector }, { labels: { tier: 'storage' } }), undefined);
  assert.equal(reason({ selector }, { labels: { tier: 'compute' } }), 'label tier is compute, not storage');
  assert.equal(reason({ selector }, { labels: { tier: 'storage', rack: 'r9' } }), 'label rack is r9, which NotIn r9 does not match');
  assert.equal(
    reason({ selector: { matchExpressions: [{ key: 'a', operator: 'Exists' }] } }, {}),
    'label a is absent, which Exists does not match',
  );
});

test('names are exact, and nothing else is looked at', () => {
  const nodes = { gpu: 'Require', names: ['gpu-1', 'b', 'c', 'd'] };
  assert.equal(reason(nodes, {}), undefined);
  assert.equal(reason(nodes, { name: 'x' }), 'is not in nodes.names');
});

const taint = (key: string, effect = 'NoSchedule', value?: string): Taint => ({ key, effect, ...(value === undefined ? {} : { value }) });

test('a taint keeps a node out, unless pods tolerate it or its condition will take it away', () => {
  const pool = sampleCluster().spec.pools[0];
  assert.ok(pool !== undefined);
  const why = (taints: Candidate['taints'], tolerations: object[] = []): string | undefined => {
    const { spec } = sampleCluster((document) => Object.assign(document.spec, { pod: { tolerations } }));
    return whyNot({ ...node, ...(taints === undefined ? {} : { taints }) }, pool, { tolerations: tolerationsOf(spec) });
  };
  const control = taint('node-role.kubernetes.io/control-plane');
  assert.equal(why([control]), 'has the taint node-role.kubernetes.io/control-plane:NoSchedule, which pod.tolerations does not tolerate');
  assert.equal(why([control], [{ key: control.key, operator: 'Exists' }]), undefined);
  assert.equal(why([control], [{ operator: 'Exists' }]), undefined);
  assert.match(why([control], [{ key: control.key, operator: 'Exists', effect: 'NoExecute' }]) ?? '', /taint/);
  const team = taint('team', 'NoExecute', 'ml');
  assert.match(why([team], [{ key: 'team', value: 'web' }]) ?? '', /^has the taint team=ml:NoExecute/);
  assert.equal(why([team], [{ key: 'team', value: 'ml' }]), undefined);
  assert.equal(why([taint('nvidia.com/gpu', 'NoSchedule', 'present')]), undefined);
  assert.equal(why([taint('busy', 'PreferNoSchedule'), taint('node.kubernetes.io/disk-pressure')]), undefined);
});

test('nodes that were named and are not there come first, then those that were meant, then all others', () => {
  const cluster = sampleCluster(({ pool }) => Object.assign(pool, { nodes: { count: 4, names: ['node-9', 'node-1', 'node-2', 'lost'] } }));
  const candidates = sampleCandidates(3).map((candidate) =>
    candidate.name === 'node-2' ? { ...candidate, unfit: 'is cordoned' } : candidate,
  );
  const result = plan(samplePlanInput(cluster, candidates));
  assert.ok(result.kind === 'blocked');
  assert.equal(
    result.message,
    'pool p0 needs 4 nodes, 1 are eligible\n  node-9, lost: does not exist\n  node-2: is cordoned\n  node-0: is not in nodes.names',
  );
  const many = plan(
    samplePlanInput(
      sampleCluster(({ pool }) => Object.assign(pool, { nodes: { count: 8, gpu: 'Require' } })),
      sampleCandidates(8),
    ),
  );
  assert.ok(many.kind === 'blocked');
  assert.match(many.message, /\n {2}node-0, node-1, node-2, node-3, node-4 and 3 more: has no GPU/);
});

test('a member of one pool is none of another', () => {
  const cluster = sampleCluster(({ spec, pool }) => Object.assign(spec, { pools: [pool, { ...pool, name: 'p1' }] }));
  const result = plan(samplePlanInput(cluster, sampleCandidates(5)));
  assert.ok(result.kind === 'blocked');
  assert.match(
    result.message,
    /^pool p1 needs 4 nodes, 1 are eligible\n {2}node-0, node-1, node-2, node-3: is a member of pool p0 already$/,
  );
});

test('too few eligible nodes block, with a reason for each node', () => {
  const cluster = sampleCluster(({ pool }) => Object.assign(pool, { nodes: { count: 4, gpu: 'Require', rdma: 'Ignore' } }));
  const candidates = [...sampleCandidates(3).map((candidate) => ({ ...candidate, resources: ['nvidia.com/gpu'] })), node];
  const result = plan(samplePlanInput(cluster, candidates));
  assert.ok(result.kind === 'blocked');
  assert.equal(result.reason, 'NodesNotEligible');
  assert.match(result.message, /^pool p0 needs 4 nodes, 3 are eligible\n {2}gpu-1: has no GPU/);
});

test('members stay as they are, whatever happens to labels and candidates; ids are never reused', () => {
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 8 }), fc.integer({ min: 4, max: 12 }), (left, total) => {
      const one = sampleCluster();
      const first = chooseMembers(one, { candidates: sampleCandidates(total), members: [] });
      assert.ok(first.kind === 'ok');
      const again = chooseMembers(one, { candidates: sampleCandidates(total).slice(0, left), members: first.members });
      assert.deepEqual(again.kind === 'ok' && again.members, first.members);

      const two = sampleCluster(({ spec, pool }) => Object.assign(spec, { pools: [pool, { ...pool, name: 'p1' }] }));
      const grown = chooseMembers(two, { candidates: sampleCandidates(8), members: first.members });
      if (grown.kind !== 'ok') return;
      assert.deepEqual(grown.members.slice(0, 4), first.members);
      assert.deepEqual(
        grown.members.map((member) => member.id),
        [0, 1, 2, 3, 4, 5, 6, 7],
      );
      assert.equal(new Set(grown.members.map((member) => member.nodeName)).size, 8);
    }),
  );
});

test('members are spread over zones, and nodes with RDMA come first where it is preferred', () => {
  const cluster = sampleCluster(({ pool }) => Object.assign(pool, { nodes: { count: 4, gpu: 'Ignore', rdma: 'Prefer' } }));
  const candidates = sampleCandidates(12, 3).map((candidate, index) => ({ ...candidate, resources: index >= 6 ? ['rdma/a'] : [] }));
  const result = chooseMembers(cluster, { candidates, members: [] });
  assert.ok(result.kind === 'ok');
  assert.deepEqual(result.members.map((member) => member.zone).toSorted(), ['zone-0', 'zone-0', 'zone-1', 'zone-2']);
  assert.ok(result.members.every((member) => Number(member.nodeName.slice(5)) >= 6));
});
