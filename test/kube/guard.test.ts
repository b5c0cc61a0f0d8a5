/** The drain guard on a real API server: evictions wait until every node is whole, with and without an operator. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import type { V1Pod, V1PodDisruptionBudget, V1PodList } from '@kubernetes/client-node';
import { FOUR_NODE_POOLS, startFourNodes } from './four-nodes.ts';
import { condition, type KubeCluster } from './kube-cluster.ts';
import type { Service } from './service.ts';

const spec = {
  version: '0.1.0',
  pools: FOUR_NODE_POOLS,
  io: { memory: '128Mi', cores: 1 },
};

describe('the drain guard', () => {
  let cluster: KubeCluster;
  let operator: Service;

  before(async () => {
    cluster = await startFourNodes();
    operator = await cluster.startOperator();
    await cluster.apply(spec);
    await cluster.waitFor(
      'the cluster to be Ready',
      (status) => condition(status, 'Ready').status === 'True' && status.setsHealthy === '1/1',
    );
  });
  after(async () => {
    await cluster?.[Symbol.asyncDispose]();
  });

  const guardOn = async (index: number): Promise<V1Pod> => {
    const query = `labelSelector=${encodeURIComponent('app.kubernetes.io/name=openlake-guard')}`;
    const { items } = await cluster.plane.admin.must<V1PodList>('GET', `/api/v1/namespaces/${cluster.namespace}/pods?${query}`);
    const pod = items.find((candidate) => candidate.spec?.nodeName === cluster.nodes[index]?.name);
    assert.ok(pod !== undefined, `there is no guard on node ${index}`);
    return pod;
  };
  /** As `kubectl drain` asks; nothing is deleted. */
  const evict = async (index: number): Promise<number> => {
    const name = (await guardOn(index)).metadata?.name;
    const body = { apiVersion: 'policy/v1', kind: 'Eviction', metadata: { name }, deleteOptions: { dryRun: ['All'] } };
    const path = `/api/v1/namespaces/${cluster.namespace}/pods/${name}/eviction`;
    return (await cluster.plane.admin.request('POST', path, { body })).status;
  };
  const allowed = async (): Promise<number | undefined> => {
    const path = `/apis/policy/v1/namespaces/${cluster.namespace}/poddisruptionbudgets/minimal-guard`;
    return (await cluster.plane.admin.must<V1PodDisruptionBudget>('GET', path)).status?.disruptionsAllowed;
  };

  test('one node may be drained while all are whole', async () => {
    await cluster.waitUntil('the budget to allow one', async () => (await allowed()) === 1);
    assert.equal(await evict(0), 201);
  });

  test('while a node is away no other may be drained, and no operator is needed for that', async () => {
    await operator.stop('SIGKILL');
    const pod = cluster.runner.podOn(cluster.nodes[2]?.name ?? '');
    await pod.hold();
    await cluster.waitUntil('the budget to allow none', async () => (await allowed()) === 0);
    assert.equal(await evict(0), 429);
    assert.equal(await evict(1), 429);
    pod.start();
    await cluster.waitUntil('the budget to allow one again', async () => (await allowed()) === 1);
    await sleep(100);
    assert.equal(await evict(1), 201);
  });
});
