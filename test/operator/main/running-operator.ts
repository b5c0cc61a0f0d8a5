/** The whole operator in this process against the API server in memory, and what the tests of it look at. */
import assert from 'node:assert/strict';
import type { ClusterStatus } from '../../../operator/api/status.ts';
import { runOperator } from '../../../operator/main/operator.ts';
import type { FakeKube } from '../fake-kube/fake-kube.ts';
import { sampleDocument } from '../sample-cluster.ts';

const clusters = '/apis/openlake.dev/v1alpha1/namespaces/ns/openlakeclusters';
export const place = { collection: clusters, name: 'sample' };

export type Running = AsyncDisposable & { readonly lines: readonly string[] };

export function startOperator(kube: FakeKube, identity = 'a', nowMs: () => number = Date.now): Running {
  const controller = new AbortController();
  const lines: string[] = [];
  const ended = runOperator(
    { config: kube.config, namespaces: ['ns'], leaseNamespace: 'ns', identity, healthHost: '127.0.0.1', healthPort: 0 },
    { stop: controller.signal, writeLine: (line) => lines.push(line), nowMs },
  );
  return {
    lines,
    [Symbol.asyncDispose]: async () => {
      controller.abort();
      assert.equal(await ended, 0);
    },
  };
}

/** Four nodes, and a resource that asks for them; `change` edits its spec. */
export function createResource(kube: FakeKube, change: object = {}): void {
  for (let index = 0; index < 4; index += 1) {
    const name = `node-${index}`;
    const state = {
      addresses: [{ type: 'InternalIP', address: `127.0.0.${index + 1}` }],
      conditions: [{ type: 'Ready', status: 'True' }],
    };
    kube.store.put({ collection: '/api/v1/nodes', name }, { apiVersion: 'v1', kind: 'Node', metadata: { name }, status: state });
  }
  const document = sampleDocument() as { apiVersion: string; kind: string; spec: object };
  kube.store.put(place, { ...document, spec: { ...document.spec, ...change }, metadata: { name: 'sample', namespace: 'ns' } });
}

export const status = (kube: FakeKube): ClusterStatus | undefined => kube.store.get(place)?.status as ClusterStatus | undefined;
export const condition = (kube: FakeKube, type: string): string => {
  const found = status(kube)?.conditions?.find((candidate) => candidate.type === type);
  return `${found?.status} ${found?.reason}: ${found?.message}`;
};

/** Everything that should be there in the end, by path and name. */
export function children(kube: FakeKube): string[] {
  const collections = [
    '/api/v1/namespaces/ns/secrets',
    '/api/v1/namespaces/ns/services',
    '/api/v1/namespaces/ns/serviceaccounts',
    '/apis/apps/v1/namespaces/ns/daemonsets',
    '/apis/apps/v1/namespaces/ns/deployments',
    '/apis/policy/v1/namespaces/ns/poddisruptionbudgets',
  ];
  return collections.flatMap((collection) => kube.store.list(collection).map((object) => `${object.kind} ${object.metadata?.name}`));
}

export const EXPECTED: readonly string[] = [
  'Secret sample-identity',
  'Secret sample-root',
  'Secret sample-config',
  'Service sample-nodes',
  'Service sample',
  'ServiceAccount sample-node',
  'DaemonSet sample-p0',
  'Deployment sample-guard',
  'PodDisruptionBudget sample-guard',
];

export const isDone = (kube: FakeKube): boolean =>
  children(kube).length === EXPECTED.length && status(kube)?.members?.[0]?.state === 'Joining';
