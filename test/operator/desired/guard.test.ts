/** The drain guard, and the resources that pods ask for. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Children } from '../../../operator/desired/desired.ts';
import { plan } from '../../../operator/plan/plan.ts';
import { sampleCandidates, sampleCluster, samplePlanInput } from '../sample-cluster.ts';

type Change = NonNullable<Parameters<typeof sampleCluster>[0]>;

function childrenOf(change: Change, from: { readonly nodes?: number; readonly rdma?: Record<string, string> } = {}): Children {
  const input = samplePlanInput(sampleCluster(change), sampleCandidates(from.nodes ?? 4));
  const result = plan({ ...input, ...(from.rdma === undefined ? {} : { rdmaResources: from.rdma }) });
  if (result.kind === 'blocked') throw new Error(result.message);
  return result.children;
}

const setOf =
  (nodes: number, drives: number, erasure: object): Change =>
  ({ pool }) =>
    Object.assign(pool, {
      nodes: { count: nodes, gpu: 'Ignore', rdma: 'Ignore' },
      drives: { directories: { parent: '/mnt', names: Array.from({ length: drives }, (_, index) => `d${index}`) } },
      erasure,
    });

test('one guard beside every member, ready when its node is whole', () => {
  const { guard } = childrenOf(() => undefined);
  const spec = guard?.deployment.spec;
  assert.equal(spec?.replicas, 4);
  const pod = spec.template.spec;
  assert.equal(pod?.hostNetwork, true);
  assert.equal(pod.affinity?.nodeAffinity?.requiredDuringSchedulingIgnoredDuringExecution?.nodeSelectorTerms.length, 4);
  assert.equal(pod.affinity.podAntiAffinity?.requiredDuringSchedulingIgnoredDuringExecution?.[0]?.topologyKey, 'kubernetes.io/hostname');
  assert.deepEqual(pod.containers[0]?.readinessProbe?.httpGet, { path: '/wholez', port: 9002 });
  assert.equal(pod.containers[0].ports, undefined);
  assert.deepEqual(guard?.budget.spec?.selector?.matchLabels, spec.selector.matchLabels);
  assert.equal(guard?.budget.spec?.unhealthyPodEvictionPolicy, 'IfHealthyBudget');
});

test('guard pods are never taken for storage nodes', () => {
  const { guard, services, daemonSets } = childrenOf(() => undefined);
  const labels = guard?.deployment.spec?.template.metadata?.labels ?? {};
  for (const selector of [...services.map((service) => service.spec?.selector), daemonSets[0]?.spec?.selector.matchLabels]) {
    assert.ok(Object.entries(selector ?? {}).some(([key, value]) => labels[key] !== value));
  }
});

function budget(change: Change, disruption: object, nodes: number): unknown {
  const { guard } = childrenOf(
    (draft) => {
      change(draft);
      Object.assign(draft.spec, { disruption });
    },
    { nodes },
  );
  return guard?.budget.spec?.maxUnavailable;
}

test('as many nodes may be drained as the layout spares, and always one', () => {
  assert.equal(budget(setOf(4, 1, { setSize: 4, parity: 2 }), {}, 4), 1);
  assert.equal(budget(setOf(16, 1, { setSize: 16, parity: 4 }), { maxUnavailableNodes: 5 }, 16), 2);
  assert.equal(budget(setOf(16, 1, { setSize: 16, parity: 4 }), { maxUnavailableNodes: 5, keep: 'Readable' }, 16), 4);
  assert.equal(budget(setOf(4, 4, { setSize: 16, parity: 4 }), {}, 4), 1);
});

test('the guard can be turned off', () => {
  assert.equal(childrenOf(({ spec }) => Object.assign(spec, { disruption: { guard: false } })).guard, undefined);
});

function resourcesOf(change: Change, rdma?: Record<string, string>): unknown {
  return childrenOf(change, rdma === undefined ? {} : { rdma }).daemonSets[0]?.spec?.template.spec?.containers[0]?.resources;
}

test('pods ask for what io.memory needs, unless the user says it', () => {
  assert.deepEqual(
    resourcesOf(({ spec }) => Object.assign(spec, { io: { memory: '2Gi' } })),
    { requests: { memory: '2560Mi' } },
  );
  const written = { requests: { memory: '3Gi', cpu: 4 }, limits: { memory: '4Gi', 'hugepages-2Mi': '1Gi' } };
  assert.deepEqual(
    resourcesOf(({ spec }) => Object.assign(spec, { pod: { resources: written } })),
    {
      requests: { memory: '3Gi', cpu: '4' },
      limits: { memory: '4Gi', 'hugepages-2Mi': '1Gi' },
    },
  );
});

test('the RDMA device of the pool is asked for', () => {
  const seen = resourcesOf(({ spec }) => Object.assign(spec, { transport: { rdma: { count: 2 } } }), { p0: 'rdma/hca' });
  assert.deepEqual(seen, { requests: { memory: '8704Mi', 'rdma/hca': '2' }, limits: { 'rdma/hca': '2' } });
});
