/** Every reason for which a node is not chosen, as the status of a resource that asks for more nodes than match shows it. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { GPU_AND_RDMA } from './fake-node.ts';
import { condition, type KubeCluster, startKubeCluster } from './kube-cluster.ts';
import { sharedControlPlane } from './shared.ts';

const good = { ...GPU_AND_RDMA, tier: 'storage' };
const allocatable = { 'rdma/hca_shared_devices_a': '8' };
const { 'nvidia.com/gpu.present': gpu, 'feature.node.kubernetes.io/rdma.available': rdma } = GPU_AND_RDMA;

/** What is wrong with each node, and the words that must be there. */
const nodes: readonly { readonly labels: Record<string, string>; readonly allocatable?: Record<string, string>; readonly says: RegExp }[] =
  [
    { labels: { 'feature.node.kubernetes.io/rdma.available': rdma ?? '', tier: 'storage' }, allocatable, says: /no GPU/ },
    { labels: { 'nvidia.com/gpu.present': gpu ?? '', tier: 'storage' }, says: /no RDMA/ },
    { labels: { ...good, 'network.nvidia.com/operator.mofed.wait': 'true' }, allocatable, says: /network driver is not ready/ },
    { labels: good, says: /has no rdma\/hca_shared_devices_a/ },
    { labels: { ...good, tier: 'compute' }, allocatable, says: /label tier is compute/ },
    { labels: good, allocatable, says: /cordon/ },
  ];

const pool = (chosen: object): object => ({
  version: '0.1.0',
  pools: [{ name: 'p0', nodes: { count: 4, ...chosen }, drives: { directories: { parent: '/mnt/openlake', names: ['d0'] } } }],
});

describe('nodes that are not eligible', () => {
  let cluster: KubeCluster;

  before(async () => {
    cluster = await startKubeCluster(await sharedControlPlane(), { nodes });
    await cluster.plane.kubectlMust('cordon', cluster.nodes[5]?.name ?? '');
    await cluster.startOperator();
  });
  after(async () => {
    await cluster?.[Symbol.asyncDispose]();
  });

  test('each is named with its reason', async () => {
    await cluster.apply(pool({ selector: { matchLabels: { tier: 'storage' } }, resources: ['rdma/hca_shared_devices_a'] }));
    const status = await cluster.waitFor('the candidates', (seen) => (seen.candidates ?? []).length >= nodes.length);
    assert.equal(condition(status, 'NodesEligible').status, 'False');
    for (const [index, { says }] of nodes.entries()) {
      const name = cluster.nodes[index]?.name;
      assert.match(status.candidates?.find(({ nodeName }) => nodeName === name)?.reason ?? `${name} is not there`, says);
    }
    assert.equal(condition(status, 'Ready').status, 'False');
    assert.deepEqual(cluster.runner.pods(), []);
  });

  test('a node that is not in nodes.names says so', async () => {
    await cluster.apply(pool({ names: ['gone-0', 'gone-1', 'gone-2', 'gone-3'] }), 'named');
    const status = await cluster.waitFor('the candidates', (seen) => (seen.candidates ?? []).length >= nodes.length, 'named');
    for (const { nodeName, reason } of status.candidates ?? []) assert.match(reason, /not in nodes.names/, nodeName);
  });
});
