/** Every rule of the resource against the real API server: one that keeps it is taken, one that breaks it is refused with the rule's words. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { OpenLakeCluster } from '../../operator/api/cluster.ts';
import * as rules from '../../operator/api/rules.ts';
import { createNamespace, sharedControlPlane } from './shared.ts';

const collection = (namespace: string): string => `/apis/openlake.dev/v1alpha1/namespaces/${namespace}/openlakeclusters`;

/** Values by dotted path below spec. */
type Change = Readonly<Record<string, unknown>>;

function resource(change: Change = {}): {
  apiVersion: string;
  kind: string;
  metadata: { name: string; resourceVersion?: string };
  spec: unknown;
} {
  const spec = {
    version: '0.1.0',
    pools: [
      {
        name: 'p0',
        nodes: { count: 4, gpu: 'Ignore', rdma: 'Ignore' },
        drives: { directories: { parent: '/mnt/openlake', names: ['d0'], mountCheck: 'Directory' } },
        erasure: { setSize: 4, parity: 2 },
      },
    ],
  };
  for (const [path, value] of Object.entries(change)) {
    const names = path.split('.');
    const last = names.pop() as string;
    const place = names.reduce((object, name) => object[name] as Record<string, unknown>, spec as Record<string, unknown>);
    place[last] = value;
  }
  return { apiVersion: 'openlake.dev/v1alpha1', kind: 'OpenLakeCluster', metadata: { name: 'minimal' }, spec };
}

const large = (name: string): object => ({
  name,
  nodes: { count: 100 },
  drives: { directories: { parent: '/mnt/openlake', names: ['d0'] } },
});

/** By the words of the rule: what breaks it, on creation or, for rules about changes, on update. */
const breaking: Readonly<Record<string, Change>> = {
  'at most 128 nodes in all pools together': { pools: [large('a'), large('b')] },
  'a parity below setSize': { 'pools.0.erasure': { setSize: 4, parity: 4 } },
  'a setSize that divides the drives of the pool (nodes.count x drives per node)': { 'pools.0.erasure': { setSize: 3, parity: 1 } },
  'names or a selector, not both': {
    'pools.0.nodes.names': ['a', 'b', 'c', 'd'],
    'pools.0.nodes.selector': { matchLabels: { a: 'b' } },
  },
  'as many names as count': { 'pools.0.nodes.names': ['a', 'b'] },
  'exactly one of directories and devices': { 'pools.0.drives.devices': { paths: ['/dev/nvme0n1'] } },
  'every name once': { 'pools.0.drives.directories.names': ['d0', 'd0'] },
  'every path once': { 'pools.0.drives': { devices: { paths: ['/dev/nvme0n1', '/dev/nvme0n1'] } } },
  'three different ports': { network: { s3Port: 9000, peerPort: 9000 } },
  'true: nodes listen at their own addresses, which the pod network does not have': { network: { host: false } },
  'at least 64Mi of memory': { io: { memory: '63Mi' } },
  'another variable than NODE_NAME, which names the node': { pod: { env: [{ name: 'NODE_NAME', value: 'x' }] } },
  'secretRef with the name of the Secret that holds the certificate, where mode is Accept or Require': {
    tls: { peer: { mode: 'Accept' } },
  },
  'no change: nodes find each other at peerPort, and cannot move there one by one': { network: { peerPort: 9101 } },
  'no change: region is immutable': { region: 'eu-west-1' },
  'every pool that was there: pools are append-only': { 'pools.0.name': 'other' },
  'no change: count is immutable, add a pool instead': { 'pools.0.nodes.count': 8 },
  'no change: drives are immutable, add a pool instead': { 'pools.0.drives.directories.parent': '/mnt/other' },
  'no change: erasure is immutable': { 'pools.0.erasure': { setSize: 4, parity: 1 } },
};

type RuleText = { readonly cel: string; readonly expected: string };

const all = Object.entries(rules).flatMap(([name, value]) =>
  Array.isArray(value) ? (value as readonly RuleText[]).map((rule) => ({ rule, transition: name.endsWith('Transitions') })) : [],
);

describe('rules of the resource', () => {
  test('every rule has a resource that breaks it', () => {
    assert.deepEqual(Object.keys(breaking).toSorted(), all.map(({ rule }) => rule.expected).toSorted());
  });

  test('a resource that keeps all rules is taken, and its status says at once that nothing was observed', async () => {
    const plane = await sharedControlPlane();
    const namespace = await createNamespace(plane);
    const created = await plane.admin.must<OpenLakeCluster>('POST', collection(namespace), { body: resource() });
    assert.deepEqual(created.status, { observedGeneration: -1 });
    assert.equal(created.spec.network.s3Port, 9000, 'defaults are filled in by the API server');
  });

  for (const { rule, transition } of all) {
    test(`the API server refuses what breaks: ${rule.expected}`, async () => {
      const plane = await sharedControlPlane();
      const path = collection(await createNamespace(plane));
      const broken = resource(breaking[rule.expected]);
      let [method, place] = ['POST', path];
      if (transition) {
        const earlier = await plane.admin.must<OpenLakeCluster & { metadata: { resourceVersion: string } }>('POST', path, {
          body: resource(),
        });
        broken.metadata.resourceVersion = earlier.metadata.resourceVersion;
        [method, place] = ['PUT', `${path}/minimal`];
      }
      const { status, message } = await plane.admin.request(method, `${place}?dryRun=All`, { body: broken });
      assert.equal(status, 422, message);
      assert.ok(message.includes(`expected ${rule.expected}`), message);
    });
  }
});
