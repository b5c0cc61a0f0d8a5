/**
 * What users do by mistake or in another order than the documents': the Secret after the resource, an image that nobody has,
 * an edit in the middle of a rollout, Secrets removed, Nodes that come back as others, the longest names. On a default
 * layout with two drives a node, which must restart node after node by itself.
 */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { CreateBucketCommand, S3Client } from '@aws-sdk/client-s3';
import type { V1Service } from '@kubernetes/client-node';
import type { ClusterStatus } from '../../operator/api/status.ts';
import { createNode, type FakeNode, GPU_AND_RDMA } from './fake-node.ts';
import { condition, type KubeCluster, startKubeCluster } from './kube-cluster.ts';
import type { ServiceProxy } from './service-proxy.ts';
import { sharedControlPlane } from './shared.ts';
import { createLoad, type VerifiedLoad } from './verified-load.ts';

const KEYS = { accessKey: 'AKIAODDODDODDODDODD1', secretKey: 'odd-secret-odd-secret-odd-secret-odd-sec' };

const spec = (repository: string, memory = '128Mi'): object => ({
  version: '0.1.0',
  image: { repository },
  pools: [
    {
      name: 'p0',
      nodes: { count: 4 },
      drives: { directories: { parent: '/mnt/openlake', names: ['d0', 'd1'], mountCheck: 'Directory' } },
    },
  ],
  io: { memory, cores: 1 },
  credentials: { root: [{ secretRef: { name: 'root-keys' } }] },
  update: { minReadySeconds: 0 },
});

const isWhole = (status: ClusterStatus): boolean =>
  condition(status, 'Ready').status === 'True' &&
  status.membersReady === '4/4' &&
  condition(status, 'Degraded').status === 'False' &&
  condition(status, 'Stalled').status === 'False' &&
  condition(status, 'Reconciling').status === 'False';

describe('odd orders', () => {
  let cluster: KubeCluster;
  let load: VerifiedLoad;
  let proxy: ServiceProxy;
  let returned: FakeNode | undefined;

  before(async () => {
    const node = { labels: GPU_AND_RDMA };
    const spare = { labels: { spare: 'yes' } };
    cluster = await startKubeCluster(await sharedControlPlane(), { nodes: [node, node, node, node, spare, spare] });
    await cluster.startOperator();
    load = createLoad('bucket', KEYS);
  });
  after(async () => {
    await load?.pause();
    await proxy?.[Symbol.asyncDispose]();
    await returned?.[Symbol.asyncDispose]();
    await cluster?.[Symbol.asyncDispose]();
  });

  const pods = () => cluster.runner.pods().filter((pod) => pod.labels['app.kubernetes.io/name'] === 'openlake');
  const identities = (): string[] => pods().map(({ uid, pid }) => `${uid} ${pid}`);
  const writeKeys = async (secretKey: string): Promise<void> => {
    const metadata = { name: 'root-keys', namespace: cluster.namespace };
    await cluster.plane.apply({ apiVersion: 'v1', kind: 'Secret', metadata, stringData: { accessKey: KEYS.accessKey, secretKey } });
  };
  const removeSecret = async (name: string): Promise<void> => {
    await cluster.plane.kubectlMust('delete', 'secret', name, '-n', cluster.namespace);
  };
  const settle = (): Promise<ClusterStatus> =>
    cluster.waitFor('the cluster to be whole', (seen, object) => isWhole(seen) && seen.observedGeneration === object.metadata.generation);

  test('the resource before its Secret, then a wrong Secret: status names it, and goes on when it is right', async () => {
    await cluster.apply(spec('openlake/no-such-image', '100Gi'));
    const missing = await cluster.waitFor('the missing Secret', (seen) => condition(seen, 'CredentialsValid').reason === 'SecretMissing');
    assert.equal(condition(missing, 'Stalled').message, `Secret ${cluster.namespace}/root-keys does not exist`);
    await writeKeys('short');
    const wrong = await cluster.waitFor('the wrong Secret', (seen) => condition(seen, 'CredentialsValid').reason === 'SecretInvalid');
    assert.match(condition(wrong, 'Stalled').message, /root-keys: key secretKey is not 8 to 128 printable characters/);
    await writeKeys(KEYS.secretKey);
    await cluster.waitFor('the members', (seen) => seen.members?.length === 4 && condition(seen, 'Stalled').status === 'False');
  });

  test('more memory than nodes have, then an image that cannot be pulled: each member says so; the corrected resource comes up', async () => {
    await cluster.waitFor('the scheduler to be quoted', (seen) =>
      (seen.members ?? []).every(({ message = '' }) => /Unschedulable: .*Insufficient memory/.test(message)),
    );
    await cluster.apply(spec('openlake/no-such-image'));
    const status = await cluster.waitFor('the image to be missed', (seen) =>
      (seen.members ?? []).every(({ state, message = '' }) => state === 'Failed' && message.includes('ImagePullBackOff')),
    );
    assert.match(status.members?.[0]?.message ?? '', /Back-off pulling image "openlake\/no-such-image:0.1.0"/);
    await cluster.apply(spec('openlake/node'));
    const good = await settle();
    assert.deepEqual(
      good.layout?.pools.map(({ setSize, parity }) => [setSize, parity]),
      [[8, 3]],
    );
    assert.equal(condition(good, 'UpgradeSafe').status, 'True');
    proxy = await cluster.proxy('minimal');
    await cluster.waitUntil('four ready endpoints', () => proxy.endpoints().length === 4);
    const credentials = { accessKeyId: KEYS.accessKey, secretAccessKey: KEYS.secretKey };
    const client = new S3Client({ endpoint: proxy.url, region: 'us-east-1', forcePathStyle: true, credentials });
    await client.send(new CreateBucketCommand({ Bucket: 'bucket' }));
    client.destroy();
    load.start(proxy.url);
  });

  test('an edit in the middle of a rollout turns it to the new goal, one node at a time and without approval', async () => {
    let mostAway = 0;
    const watch = setInterval(() => {
      mostAway = Math.max(mostAway, 4 - pods().filter((pod) => pod.ready).length);
    }, 30);
    try {
      await cluster.apply(spec('openlake/node-first'));
      await cluster.waitFor('the second pod to go', (seen) => seen.rollout?.done === 1);
      await cluster.apply(spec('openlake/no-such-image'));
      await cluster.waitUntil('one pod to miss its image', () => pods().some((pod) => pod.image.includes('no-such-image')));
      await cluster.apply(spec('openlake/node-second'));
      await cluster.waitUntil('every pod to be of the last image', () =>
        pods().every((pod) => pod.image.startsWith('openlake/node-second')),
      );
      await settle();
    } finally {
      clearInterval(watch);
    }
    assert.equal(mostAway, 1, 'pods away at the same time');
    assert.deepEqual(load.failures, []);
  });

  test('Secrets that were removed come back, or are named; nodes and clients do not notice', async () => {
    const earlier = identities();
    const identity = await cluster.secret('minimal-identity');
    await removeSecret('minimal-identity');
    await cluster.waitUntil('the identity to be back', async () => {
      const now = await cluster.secret('minimal-identity').catch(() => undefined);
      return now?.['cluster.json'] === identity['cluster.json'];
    });
    assert.deepEqual(await cluster.secret('minimal-identity'), identity);
    const config = await cluster.secret('minimal-config');
    await removeSecret('minimal-config');
    await cluster.waitUntil('the configuration to be back', () =>
      cluster.secret('minimal-config').then(
        () => true,
        () => false,
      ),
    );
    assert.deepEqual(await cluster.secret('minimal-config'), config);
    await removeSecret('root-keys');
    const missing = await cluster.waitFor('the missing Secret', (seen) => condition(seen, 'CredentialsValid').reason === 'SecretMissing');
    assert.equal(condition(missing, 'Ready').status, 'True');
    await writeKeys(KEYS.secretKey);
    await settle();
    assert.deepEqual(identities(), earlier);
    assert.deepEqual(load.failures, []);
  });

  test('children of an older operator are brought up to date, and those it has no more are removed', async () => {
    const earlier = identities();
    const place = `/api/v1/namespaces/${cluster.namespace}/services`;
    const headless = await cluster.plane.admin.must<V1Service>('GET', `${place}/minimal-nodes`);
    const { labels, ownerReferences } = headless.metadata ?? {};
    const old = { apiVersion: 'v1', kind: 'Service', metadata: { name: 'minimal-old', labels, ownerReferences } };
    await cluster.plane.admin.must('POST', place, { body: { ...old, spec: { ports: [{ port: 1 }] } } });
    const body = { metadata: { annotations: { 'openlake.dev/desired-hash': 'old' } }, spec: { publishNotReadyAddresses: false } };
    await cluster.plane.admin.must('PATCH', `${place}/minimal-nodes`, { type: 'merge-patch', body });
    await cluster.waitUntil(
      'the old Service to be gone',
      async () => (await cluster.plane.admin.request('GET', `${place}/minimal-old`)).status === 404,
    );
    await cluster.waitUntil('the changed Service to be as it should', async () => {
      const now = await cluster.plane.admin.must<V1Service>('GET', `${place}/minimal-nodes`);
      return now.spec?.publishNotReadyAddresses === true && now.metadata?.annotations?.['openlake.dev/desired-hash'] !== 'old';
    });
    assert.deepEqual(identities(), earlier);
  });

  test('a Node object that is removed and registered again is the same member', async () => {
    const earlier = identities();
    const [, , , node] = cluster.nodes;
    assert.ok(node !== undefined);
    await node[Symbol.asyncDispose]();
    const gone = await cluster.waitFor('the Node to be missed', (seen) => condition(seen, 'MembershipStable').reason === 'NodeGone');
    assert.match(condition(gone, 'MembershipStable').message, new RegExp(`node ${node.name} does not exist`));
    assert.equal(gone.members?.length, 4);
    returned = await createNode(cluster.plane, { name: node.name, address: node.address, labels: GPU_AND_RDMA });
    const status = await cluster.waitFor(
      'the member to be back',
      (seen) => isWhole(seen) && condition(seen, 'MembershipStable').status === 'True',
    );
    assert.deepEqual(
      status.members?.map(({ id, nodeName }) => [id, nodeName]),
      gone.members?.map(({ id, nodeName }) => [id, nodeName]),
    );
    assert.deepEqual(identities(), earlier);
    await load.pause();
    assert.deepEqual(load.failures, []);
    assert.ok(load.requests() > 200, `only ${load.requests()} requests were made`);
  });

  test('what is wrong with a resource is said with its field, its value and what was expected', async () => {
    const wrong: readonly (readonly [object, RegExp])[] = [
      [{ version: 'latest' }, /spec\.version: Invalid value: "latest".*should match/],
      [{ colour: 'red' }, /OpenLakeCluster\.spec\): unknown field "colour"/],
      [{ io: { cores: 0 } }, /spec\.io\.cores: Invalid value: 0: expected Auto or an integer from 1 to 256/],
      [{ io: { engine: 'uring' } }, /spec\.io\.engine: Unsupported value: "uring": supported values: "Auto", "Uring", "Poll"/],
      [{ adopt: 'lake' }, /spec\.adopt: Invalid value: "lake"/],
      [{ credentials: { root: [{ secretRef: {} }] } }, /spec\.credentials\.root\[0\]\.secretRef\): missing required field "name"/],
      [{ network: { s3Port: 99_999 } }, /spec\.network\.s3Port: Invalid value: 99999: .*less than or equal to 65535/],
      [{ pools: [] }, /spec\.pools: Invalid value: 0: .*at least 1 items/],
    ];
    for (const [change, message] of wrong) await assert.rejects(cluster.apply({ ...spec('openlake/node'), ...change }, 'wrong'), message);
  });

  test('the longest names work, in two pools; longer ones are refused', async () => {
    const name = `l${'o'.repeat(38)}g`;
    const drives = { directories: { parent: '/mnt/long', names: ['d0', 'd1'], mountCheck: 'Directory' } };
    const nodes = { count: 1, gpu: 'Ignore', rdma: 'Ignore', selector: { matchLabels: { spare: 'yes' } } };
    const pools = ['p', 'q'].map((first) => ({ name: `${first}${'o'.repeat(18)}l`, nodes, drives, erasure: { setSize: 2, parity: 1 } }));
    const long = {
      version: '0.1.0',
      io: { memory: '128Mi', cores: 1 },
      pools,
      update: { minReadySeconds: 0 },
    };
    await assert.rejects(cluster.apply(long, `${name}x`), /metadata\.name/);
    await cluster.apply(long, name);
    const status = await cluster.waitFor(
      'the cluster with long names',
      (seen) => condition(seen, 'Ready').status === 'True' && seen.membersReady === '2/2',
      name,
    );
    assert.equal(status.setsHealthy, '2/2');
    assert.equal(condition(status, 'UpgradeSafe').reason, 'LayoutCannotSpareNode');
  });
});
