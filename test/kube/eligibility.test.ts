/** Every reason for which a node is not chosen, as the status of a resource that asks for more nodes than match shows it. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import type { ClusterStatus } from '../../operator/api/status.ts';
import { GPU_AND_RDMA } from './fake-node.ts';
import { condition, type KubeCluster, startKubeCluster } from './kube-cluster.ts';
import { sharedControlPlane } from './shared.ts';

const good = { ...GPU_AND_RDMA, tier: 'storage' };
const allocatable = { 'rdma/hca_shared_devices_a': '8' };
const { 'nvidia.com/gpu.present': gpu, 'feature.node.kubernetes.io/rdma.available': rdma } = GPU_AND_RDMA;

const notReady = {
  type: 'Ready',
  status: 'Unknown',
  reason: 'NodeStatusUnknown',
  message: 'the kubelet is silent',
  lastHeartbeatTime: '2026-01-01T00:00:00Z',
  lastTransitionTime: '2026-01-01T00:00:00Z',
};

/** What is wrong with each node, and the words that must be there. */
const nodes: readonly {
  readonly labels: Record<string, string>;
  readonly allocatable?: Record<string, string>;
  /** Done to the Node after it was registered. */
  readonly change?: { readonly spec?: object; readonly status?: object; readonly metadata?: object };
  readonly says: RegExp;
}[] = [
  {
    labels: { 'feature.node.kubernetes.io/rdma.available': rdma ?? '', tier: 'storage' },
    allocatable,
    says: /^has no GPU: none of the labels/,
  },
  { labels: { 'nvidia.com/gpu.present': gpu ?? '', tier: 'storage' }, says: /^has no RDMA: none of the labels/ },
  { labels: { ...good, 'network.nvidia.com/operator.mofed.wait': 'true' }, allocatable, says: /network driver is not ready/ },
  { labels: good, says: /^has no rdma\/hca_shared_devices_a to give/ },
  { labels: { ...good, tier: 'compute' }, allocatable, says: /^label tier is compute, not storage/ },
  { labels: { ...good, rack: 'r9' }, allocatable, says: /^label rack is r9, which NotIn r9 does not match/ },
  { labels: good, allocatable, change: { spec: { unschedulable: true } }, says: /^is cordoned/ },
  { labels: good, allocatable, change: { status: { conditions: [notReady] } }, says: /^is not Ready/ },
  { labels: good, allocatable, change: { status: { addresses: [] } }, says: /^has no InternalIP address/ },
  {
    labels: good,
    allocatable,
    change: { spec: { taints: [{ key: 'team', value: 'ml', effect: 'NoSchedule' }] } },
    says: /^has the taint team=ml:NoSchedule, which pod.tolerations does not tolerate/,
  },
  { labels: good, allocatable, change: { status: { nodeInfo: { operatingSystem: 'windows' } } }, says: /^runs windows, not linux/ },
  {
    labels: good,
    allocatable,
    change: { metadata: { finalizers: ['openlake.test/hold'], annotations: { delete: 'yes' } } },
    says: /^is being removed/,
  },
  { labels: good, allocatable, says: /^is a member of cluster test-.*\/other/ },
];

const pool = (chosen: object): object => ({
  version: '0.1.0',
  pools: [{ name: 'p0', nodes: { count: 4, ...chosen }, drives: { directories: { parent: '/mnt/openlake', names: ['d0'] } } }],
});

/** A cluster of the one node with this label. */
const one = (): object => {
  const drives = { directories: { parent: '/mnt/openlake', names: ['d0', 'd1'], mountCheck: 'Directory' } };
  const chosen = { count: 1, gpu: 'Ignore', rdma: 'Ignore', selector: { matchLabels: { rack: 'r9' } } };
  return { version: '0.1.0', pools: [{ name: 'p0', nodes: chosen, drives, erasure: { setSize: 2, parity: 1 } }] };
};

const isDecided = (seen: ClusterStatus): boolean => seen.members !== undefined || condition(seen, 'NodesEligible').status === 'False';

describe('nodes that are not eligible', () => {
  let cluster: KubeCluster;
  const path = (index: number): string => `/api/v1/nodes/${cluster.nodes[index]?.name}`;

  before(async () => {
    cluster = await startKubeCluster(await sharedControlPlane(), { nodes });
    await cluster.startOperator();
    // The last node goes to a cluster of its own.
    await cluster.apply(
      {
        version: '0.1.0',
        io: { memory: '128Mi', cores: 1 },
        pools: [
          {
            name: 'p0',
            nodes: { count: 1, names: [cluster.nodes.at(-1)?.name] },
            drives: { directories: { parent: '/mnt/openlake', names: ['d0', 'd1'], mountCheck: 'Directory' } },
            erasure: { setSize: 2, parity: 1 },
          },
        ],
      },
      'other',
    );
    await cluster.waitFor('the other cluster to have its member', (seen) => seen.members?.length === 1, 'other');
    for (const [index, { change }] of nodes.entries()) {
      if (change === undefined) continue;
      const { status, ...rest } = change;
      const body = { body: rest, type: 'merge-patch' } as const;
      await cluster.plane.admin.must('PATCH', path(index), body);
      if (status !== undefined) await cluster.plane.admin.must('PATCH', `${path(index)}/status`, { body: { status }, type: 'merge-patch' });
      if (change.metadata !== undefined) await cluster.plane.admin.must('DELETE', path(index));
    }
  });
  after(async () => {
    for (const [index, { change }] of nodes.entries()) {
      if (change?.metadata === undefined || cluster === undefined) continue;
      await cluster.plane.admin.request('PATCH', path(index), { body: { metadata: { finalizers: [] } }, type: 'merge-patch' });
    }
    await cluster?.[Symbol.asyncDispose]();
  });

  const podsOf = (name: string) => cluster.runner.pods().filter((pod) => pod.labels['app.kubernetes.io/instance'] === name);

  test('each is named with its reason, in status and in the message that a user sees first', async () => {
    const matchExpressions = [{ key: 'rack', operator: 'NotIn', values: ['r9'] }];
    const selector = { matchLabels: { tier: 'storage' }, matchExpressions };
    await cluster.apply(pool({ selector, resources: ['rdma/hca_shared_devices_a'] }));
    const found = (seen: ClusterStatus, index: number): string =>
      seen.candidates?.find(({ nodeName }) => nodeName === cluster.nodes[index]?.name)?.reason ?? 'it is not there';
    const status = await cluster.waitFor('the candidates with their reasons', (seen) =>
      nodes.every(({ says }, index) => says.test(found(seen, index))),
    );
    const eligible = condition(status, 'NodesEligible');
    assert.equal(eligible.status, 'False');
    assert.match(eligible.message, /^pool p0 needs 4 nodes, 0 are eligible\n/);
    assert.equal(condition(status, 'Ready').status, 'False');
    assert.equal(condition(status, 'Reconciling').message, eligible.message);
    const events = await cluster.plane.kubectlMust('get', 'events', '-n', cluster.namespace, '-o', 'jsonpath={.items[*].message}');
    assert.match(events, /pool p0 needs 4 nodes, 0 are eligible/);
    assert.deepEqual(podsOf('minimal'), []);
  });

  test('with nodes.names, those that do not exist come first, and all others say that they were not named', async () => {
    await cluster.apply(pool({ names: ['gone-0', 'gone-1', 'gone-2', 'gone-3'] }), 'named');
    const status = await cluster.waitFor('the candidates', (seen) => (seen.candidates ?? []).length >= nodes.length + 4, 'named');
    assert.match(
      condition(status, 'NodesEligible').message,
      /^pool p0 needs 4 nodes, 0 are eligible\n {2}gone-0, gone-1, gone-2, gone-3: does not exist\n/,
    );
    for (const { nodeName, reason } of (status.candidates ?? []).slice(4)) assert.match(reason, /not in nodes.names/, nodeName);
  });

  test('two clusters that are made at once do not get the same nodes', async () => {
    await Promise.all(['left', 'right'].map((name) => cluster.apply(one(), name)));
    const [left, right] = await Promise.all(['left', 'right'].map((name) => cluster.waitFor('a decision', isDecided, name)));
    const [short] = [left, right].filter((seen) => seen?.members === undefined);
    assert.ok(short !== undefined, 'both got the node');
    assert.match(condition(short, 'NodesEligible').message, /is a member of cluster test-.*\/(left|right)/);
  });
});
