/** Which RDMA device pods ask for: what all members offer, decided once. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { chooseRdma } from '../../../operator/plan/rdma.ts';
import { sampleCluster } from '../sample-cluster.ts';
import { sampleNodes } from '../sample-snapshot.ts';

const members = [0, 1].map((id) => ({ id, pool: 'p0', nodeName: `node-${id}`, address: '', zone: '' }));

function choose(
  offers: readonly (readonly string[])[],
  from: { resource?: string; rdma?: string; recorded?: { pool: string; resource: string }[] } = {},
) {
  const { spec } = sampleCluster(({ spec: draft, pool }) => {
    Object.assign(pool, { nodes: { count: 2, gpu: 'Ignore', rdma: from.rdma ?? 'Prefer' }, erasure: { setSize: 2, parity: 1 } });
    Object.assign(draft, { transport: { rdma: { resource: from.resource ?? 'Auto' } } });
  });
  const nodes = sampleNodes(2).map((node, index) => ({ ...node, resources: offers[index] ?? [] }));
  return chooseRdma(spec, { members, nodes, recorded: from.recorded });
}

test('the one that all members offer', () => {
  assert.deepEqual(
    choose([
      ['cpu', 'rdma/a'],
      ['rdma/a', 'rdma/b'],
    ]),
    [{ pool: 'p0', resource: 'rdma/a' }],
  );
});

test('none when members share none, or several, or the pool does not ask', () => {
  assert.deepEqual(choose([['rdma/a'], ['rdma/b']]), []);
  assert.deepEqual(
    choose([
      ['rdma/a', 'rdma/b'],
      ['rdma/a', 'rdma/b'],
    ]),
    [],
  );
  assert.deepEqual(choose([['rdma/a'], ['rdma/a']], { rdma: 'Ignore' }), []);
  assert.deepEqual(choose([['rdma/a'], ['rdma/a']], { resource: 'None' }), []);
});

test('a device plugin that forgets its devices changes nothing that was decided', () => {
  const recorded = [{ pool: 'p0', resource: 'rdma/a' }];
  assert.deepEqual(choose([[], []], { recorded }), recorded);
  assert.deepEqual(choose([['rdma/a'], ['rdma/a']], { recorded: [] }), []);
  assert.deepEqual(choose([[], []], { recorded, resource: 'nvidia.com/hca' }), [{ pool: 'p0', resource: 'nvidia.com/hca' }]);
});
