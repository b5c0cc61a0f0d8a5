/** A change that breaks nodes stops at the first one; its correction goes on from there. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import type { ClusterStatus } from '../../operator/api/status.ts';
import { FOUR_NODE_POOLS, startFourNodes } from './four-nodes.ts';
import { condition, type KubeCluster } from './kube-cluster.ts';

function spec(env: readonly { readonly name: string; readonly value: string }[]): object {
  return {
    version: '0.1.0',
    pools: FOUR_NODE_POOLS,
    io: { memory: '128Mi', cores: 1 },
    update: { minReadySeconds: 0, progressDeadlineSeconds: 10 },
    pod: { env },
  };
}

const isWhole = (status: ClusterStatus): boolean =>
  condition(status, 'Ready').status === 'True' &&
  condition(status, 'Degraded').status === 'False' &&
  condition(status, 'Reconciling').status === 'False';

describe('a rolling restart that goes wrong', () => {
  let cluster: KubeCluster;

  before(async () => {
    cluster = await startFourNodes();
    await cluster.startOperator();
    await cluster.apply(spec([]));
    await cluster.waitFor('the cluster to be whole', isWhole);
  });
  after(async () => {
    await cluster?.[Symbol.asyncDispose]();
  });

  const uids = (): Map<string, string> =>
    new Map(cluster.runner.pods().flatMap((pod) => (pod.labels['app.kubernetes.io/name'] === 'openlake' ? [[pod.nodeName, pod.uid]] : [])));

  test('the canary does not come back: the rollout is stuck, and no second node is touched', async () => {
    const earlier = uids();
    await cluster.apply(spec([{ name: 'NODE_OPTIONS', value: '--no-such-option' }]));
    const status = await cluster.waitFor('the rollout to be stuck', (seen) => condition(seen, 'Stalled').reason === 'RolloutStuck');
    assert.equal(condition(status, 'Stalled').status, 'True');
    const canary = status.members?.find(({ id }) => id === 3)?.nodeName ?? '';
    assert.match(condition(status, 'Stalled').message, new RegExp(canary));
    assert.equal(condition(status, 'Ready').status, 'True', 'the others serve');
    await cluster.waitFor('the last words of the node', (seen) =>
      (seen.members ?? []).some(({ id, message = '' }) => id === 3 && message.includes('--no-such-option is not allowed in NODE_OPTIONS')),
    );
    const changed = [...uids()].filter(([nodeName, uid]) => earlier.get(nodeName) !== uid);
    assert.deepEqual(
      changed.map(([nodeName]) => nodeName),
      [canary],
    );
  });

  test('the correction replaces the broken pod first, and then the others', async () => {
    await cluster.apply(spec([{ name: 'CORRECTED', value: 'yes' }]));
    const status = await cluster.waitFor('the cluster to be whole', (seen) => isWhole(seen) && seen.rollout?.done === 4);
    assert.equal(condition(status, 'Stalled').status, 'False');
    assert.equal(status.rollout?.first, 3);
  });
});
