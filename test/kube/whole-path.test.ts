/**
 * From a resource on a real API server to stored objects and back: the operator under its own rights, pods made by the real
 * DaemonSet controller and scheduler, bytes through real S3 clients. The tests build on each other, in this order.
 */
import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { CreateBucketCommand, GetObjectCommand, ListBucketsCommand, PutObjectCommand, S3Client } from '@aws-sdk/client-s3';
import type { V1Lease, V1Pod, V1PodDisruptionBudget, V1PodList, V1Service } from '@kubernetes/client-node';
import type { ClusterStatus } from '../../operator/api/status.ts';
import { GPU_AND_RDMA } from './fake-node.ts';
import { FOUR_NODE_POOLS } from './four-nodes.ts';
import { type Credentials, condition, type KubeCluster, startKubeCluster } from './kube-cluster.ts';
import type { Service } from './service.ts';
import { sharedControlPlane } from './shared.ts';

const MIB = 1024 * 1024;
const FIRST: Credentials = { accessKey: 'AKIAFIRSTFIRSTFIRST1', secretKey: 'first-secret-first-secret-first-secret-1' };
const SECOND: Credentials = { accessKey: 'AKIASECONDSECONDSEC2', secretKey: 'second-secret-second-secret-second-sec2' };

let cluster: KubeCluster;
let operator: Service;
let folder: string;
const objects = new Map<string, string>();
let clusterId = '';

const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');
const endpoint = (index: number): string => `http://${cluster.nodes[index]?.address}:9000`;
const podsOfStorage = () => cluster.runner.pods().filter((pod) => pod.labels['app.kubernetes.io/name'] === 'openlake');

function spec(change: object = {}): object {
  return {
    version: '0.1.0',
    pools: FOUR_NODE_POOLS,
    io: { memory: '128Mi', cores: 1 },
    credentials: { root: [{ secretRef: { name: 'root-keys' } }] },
    service: { internalTrafficPolicy: 'Cluster' },
    update: { minReadySeconds: 1 },
    ...change,
  };
}

async function writeRootKeys(keys: Credentials): Promise<void> {
  await cluster.plane.apply({
    apiVersion: 'v1',
    kind: 'Secret',
    metadata: { name: 'root-keys', namespace: cluster.namespace },
    stringData: { accessKey: keys.accessKey, secretKey: keys.secretKey },
  });
}

function sdk(url: string, keys: Credentials, maxAttempts = 3): S3Client {
  const credentials = { accessKeyId: keys.accessKey, secretAccessKey: keys.secretKey };
  return new S3Client({ endpoint: url, region: 'us-east-1', forcePathStyle: true, credentials, maxAttempts });
}

/** Every object that was stored so far has the bytes that were stored, through each node but those named. */
async function checkObjects(keys: Credentials, without: readonly string[] = []): Promise<void> {
  for (const [index, { name }] of cluster.nodes.entries()) {
    if (without.includes(name)) continue;
    const client = sdk(endpoint(index), keys);
    for (const [key, hash] of objects) {
      const reply = await client.send(new GetObjectCommand({ Bucket: 'bucket', Key: key }));
      assert.equal(sha256((await reply.Body?.transformToByteArray()) ?? new Uint8Array()), hash, `${key} through node ${index}`);
    }
    client.destroy();
  }
}

/** What of a member is decided once. */
function places(status: ClusterStatus | undefined): unknown {
  return status?.members?.map(({ id, nodeName, address, pool }) => ({ id, nodeName, address, pool }));
}

const isWhole = (status: ClusterStatus): boolean =>
  condition(status, 'Ready').status === 'True' && status.setsHealthy === '1/1' && condition(status, 'Degraded').status === 'False';

describe('a cluster on Kubernetes', () => {
  before(async () => {
    folder = mkdtempSync(join(tmpdir(), 'openlake-kube-client-'));
    cluster = await startKubeCluster(await sharedControlPlane(), { nodes: [{}, {}, {}, {}], drives: ['/mnt/openlake/d0'] });
    operator = await cluster.startOperator();
  });
  after(async () => {
    await cluster?.[Symbol.asyncDispose]();
    rmSync(folder, { recursive: true, force: true });
  });

  test('a resource that asks for more nodes than match says which nodes failed and why', async () => {
    await writeRootKeys(FIRST);
    for (const node of cluster.nodes.slice(0, 3)) await node.label(GPU_AND_RDMA);
    await cluster.nodes[3]?.label({ 'nvidia.com/gpu.present': 'true' });
    await cluster.apply(spec());
    const status = await cluster.waitFor('NodesEligible to be False', (seen) => condition(seen, 'NodesEligible').status === 'False');
    const text = `${condition(status, 'NodesEligible').message} ${JSON.stringify(status.candidates ?? [])}`;
    assert.match(text, new RegExp(`${cluster.nodes[3]?.name}.*RDMA`));
    assert.deepEqual(podsOfStorage(), []);
  });

  test('with four labelled nodes the pods run and the cluster is Ready', async () => {
    await cluster.nodes[3]?.label(GPU_AND_RDMA);
    const status = await cluster.waitFor('the cluster to be Ready', (seen) => isWhole(seen));
    assert.equal(status.members?.length, 4);
    assert.deepEqual(status.members?.map((member) => member.address).toSorted(), cluster.nodes.map((node) => node.address).toSorted());
    assert.equal(status.bootstrapped, true);
    clusterId = status.clusterId ?? '';
    assert.match(clusterId, /^[0-9a-f]{32}$/);
    const object = await cluster.get();
    assert.equal(status.observedGeneration, object.metadata.generation);
    await cluster.waitFor('Reconciling to end', (seen) => condition(seen, 'Reconciling').status === 'False');
  });

  test('the pods serve S3: aws s3 copies there and back, byte for byte, through every node', async () => {
    const source = join(folder, 'source');
    const bytes = randomBytes(9 * MIB + 1);
    writeFileSync(source, bytes);
    const aws = async (node: number, ...args: readonly string[]): Promise<void> => {
      const finished = await cluster.aws({ endpoint: endpoint(node), credentials: FIRST }, ...args);
      assert.equal(finished.code, 0, `aws ${args.join(' ')}: ${finished.stderr}`);
    };
    await aws(0, 's3', 'mb', 's3://bucket');
    await aws(1, 's3', 'cp', source, 's3://bucket/large', '--no-progress');
    objects.set('large', sha256(bytes));
    const small = randomBytes(1000);
    const client = sdk(endpoint(2), FIRST);
    await client.send(new PutObjectCommand({ Bucket: 'bucket', Key: 'small', Body: small }));
    client.destroy();
    objects.set('small', sha256(small));
    await aws(3, 's3', 'cp', 's3://bucket/large', join(folder, 'back'), '--no-progress');
    assert.equal(sha256(readFileSync(join(folder, 'back'))), sha256(bytes));
    await checkObjects(FIRST);
  });

  test('a node that dies makes the set Degraded, with the reason; after its return it is Healthy', async () => {
    const name = cluster.nodes[2]?.name ?? '';
    const pod = cluster.runner.podOn(name);
    await pod.hold();
    const status = await cluster.waitFor('the set to be Degraded', (seen) => seen.sets?.[0]?.state === 'Degraded');
    const member = status.members?.find(({ nodeName }) => nodeName === name);
    assert.match(`${status.sets?.[0]?.reason}`, new RegExp(`node ${member?.id}`));
    const degraded = await cluster.waitFor('the condition Degraded', (seen) => condition(seen, 'Degraded').status === 'True');
    assert.notEqual(condition(degraded, 'Degraded').message, '');
    assert.equal(condition(degraded, 'Ready').status, 'True', 'one node away: still serving');
    await checkObjects(FIRST, [name]);
    pod.start();
    await cluster.waitFor('the set to be Healthy again', (seen) => isWhole(seen));
    await checkObjects(FIRST);
  });

  test('a process that is killed is restarted by its kubelet', async () => {
    const pod = cluster.runner.podOn(cluster.nodes[1]?.name ?? '');
    pod.kill('SIGKILL');
    await cluster.waitUntil('the restart to be counted', async () => {
      const { status } = await cluster.plane.admin.must<V1Pod>('GET', `/api/v1/namespaces/${pod.namespace}/pods/${pod.name}`);
      const container = status?.containerStatuses?.[0];
      return container?.restartCount === 1 && container.ready;
    });
    await cluster.waitFor('the set to be Healthy again', (seen) => isWhole(seen));
  });

  test('a rotated credential works without a restart', async () => {
    const earlier = podsOfStorage().map(({ uid, pid }) => `${uid} ${pid}`);
    await writeRootKeys(SECOND);
    for (const [index] of cluster.nodes.entries()) {
      const client = sdk(endpoint(index), SECOND, 1);
      await cluster.waitUntil(`the new key to work on node ${index}`, () =>
        client.send(new ListBucketsCommand({})).then(
          () => true,
          () => false,
        ),
      );
      client.destroy();
    }
    await checkObjects(SECOND);
    assert.deepEqual(
      podsOfStorage().map(({ uid, pid }) => `${uid} ${pid}`),
      earlier,
    );
  });

  test('a node that loses its labels stays a member: nothing moves', async () => {
    const earlier = podsOfStorage().map(({ uid, pid, nodeName }) => `${uid} ${pid} ${nodeName}`);
    const members = (await cluster.get()).status;
    await cluster.nodes[0]?.label({ 'nvidia.com/gpu.present': null, 'feature.node.kubernetes.io/rdma.available': null });
    const status = await cluster.waitFor('MembershipStable to tell', (seen) => condition(seen, 'MembershipStable').status === 'False');
    assert.match(condition(status, 'MembershipStable').message, new RegExp(cluster.nodes[0]?.name ?? ''));
    await cluster.nodes[0]?.label(GPU_AND_RDMA);
    const later = await cluster.waitFor(
      'MembershipStable to be True again',
      (seen) => condition(seen, 'MembershipStable').status === 'True',
    );
    assert.deepEqual(
      podsOfStorage().map(({ uid, pid, nodeName }) => `${uid} ${pid} ${nodeName}`),
      earlier,
    );
    assert.deepEqual(places(later), places(members));
  });

  test('one node may be drained, the second has to wait until the first is back', async () => {
    const [first, second] = cluster.nodes.map(({ name }) => name);
    const guards = `/api/v1/namespaces/${cluster.namespace}/pods?labelSelector=app.kubernetes.io/name%3Dopenlake-guard`;
    const ready = async (): Promise<number> =>
      (await cluster.plane.admin.must<V1PodList>('GET', guards)).items.filter(({ status }) => status?.containerStatuses?.[0]?.ready).length;
    const budget = `/apis/policy/v1/namespaces/${cluster.namespace}/poddisruptionbudgets/minimal-guard`;
    const spare = async (): Promise<number> =>
      (await cluster.plane.admin.must<V1PodDisruptionBudget>('GET', budget)).status?.disruptionsAllowed ?? -1;
    await cluster.waitUntil('all guards to be ready and one to be spare', async () => (await ready()) === 4 && (await spare()) === 1);
    const drain = (name: string | undefined, patience: string) =>
      cluster.plane.kubectl('drain', name ?? '', '--ignore-daemonsets', `--timeout=${patience}`);
    const drained = await drain(first, '60s');
    assert.equal(drained.code, 0, drained.stderr);
    const refused = await drain(second, '4s');
    assert.notEqual(refused.code, 0, refused.stdout);
    assert.match(refused.stderr, /disruption budget/);
    await cluster.plane.kubectlMust('uncordon', second ?? '');
    await cluster.plane.kubectlMust('uncordon', first ?? '');
    await cluster.waitUntil('all guards to be back', async () => (await ready()) === 4 && (await spare()) === 1);
    assert.equal(podsOfStorage().length, 4);
    await checkObjects(SECOND);
  });

  test('another image restarts the pods one at a time, and a retrying client sees no failed request', async () => {
    await using proxy = await cluster.proxy('minimal');
    await cluster.waitUntil('four ready endpoints', () => proxy.endpoints().length === 4);
    const earlier = new Map(podsOfStorage().map((pod) => [pod.nodeName, pod.uid]));
    const stop = new AbortController();
    const failed: string[] = [];
    let done = 0;
    const work = async (worker: number): Promise<void> => {
      const client = sdk(proxy.url, SECOND, 10);
      for (let turn = 0; !stop.signal.aborted; turn += 1) {
        const key = `rolling-${worker}-${turn}`;
        const bytes = randomBytes(20_000);
        try {
          await client.send(new PutObjectCommand({ Bucket: 'bucket', Key: key, Body: bytes }));
          const reply = await client.send(new GetObjectCommand({ Bucket: 'bucket', Key: key }));
          assert.equal(sha256((await reply.Body?.transformToByteArray()) ?? new Uint8Array()), sha256(bytes));
          if (turn % 20 === 0) objects.set(key, sha256(bytes));
          done += 1;
        } catch (error) {
          failed.push(`${key}: ${String(error)}`);
        }
        await new Promise((resolve) => setTimeout(resolve, 30));
      }
      client.destroy();
    };
    const workers = [0, 1].map(work);
    let mostAway = 0;
    const watch = setInterval(() => {
      const ready = podsOfStorage().filter((pod) => pod.ready).length;
      mostAway = Math.max(mostAway, 4 - ready);
    }, 50);
    try {
      await cluster.apply(spec({ image: { repository: 'openlake/node-other' } }));
      await cluster.waitUntil('every pod to be another one', () => {
        const now = podsOfStorage();
        return now.length === 4 && now.every((pod) => pod.image.startsWith('openlake/node-other') && earlier.get(pod.nodeName) !== pod.uid);
      });
      await cluster.waitFor('the rollout to end', (seen) => isWhole(seen) && condition(seen, 'Reconciling').status === 'False');
    } finally {
      stop.abort();
      clearInterval(watch);
      await Promise.all(workers);
    }
    assert.deepEqual(failed, []);
    assert.ok(done > 20, `only ${done} rounds were made`);
    assert.equal(mostAway, 1, 'pods away at the same time');
    await checkObjects(SECOND);
  });

  test('an operator that is killed changes nothing for the data path; the next one goes on', async () => {
    const earlier = podsOfStorage().map(({ uid, pid }) => `${uid} ${pid}`);
    await operator.stop('SIGKILL');
    const client = sdk(endpoint(0), SECOND);
    await client.send(new PutObjectCommand({ Bucket: 'bucket', Key: 'alone', Body: 'alone' }));
    objects.set('alone', sha256(Buffer.from('alone')));
    client.destroy();
    await cluster.plane.restartApiServer();
    operator = await cluster.startOperator();
    await cluster.apply(spec({ image: { repository: 'openlake/node-other' }, service: { internalTrafficPolicy: 'Local' } }));
    await cluster.waitFor(
      'the new generation to be seen',
      (seen, object) => seen.observedGeneration === object.metadata.generation && isWhole(seen),
    );
    await cluster.waitUntil('the Service to follow', async () => {
      const service = await cluster.plane.admin.must<V1Service>('GET', `/api/v1/namespaces/${cluster.namespace}/services/minimal`);
      return service.spec?.internalTrafficPolicy === 'Local';
    });
    assert.deepEqual(
      podsOfStorage().map(({ uid, pid }) => `${uid} ${pid}`),
      earlier,
    );
  });

  test('of two operators one works; when it goes the other takes over', async () => {
    const lease = `/apis/coordination.k8s.io/v1/namespaces/${cluster.namespace}/leases/openlake-operator`;
    const holder = async (): Promise<string> => (await cluster.plane.admin.must<V1Lease>('GET', lease)).spec?.holderIdentity ?? '';
    const first = await holder();
    assert.notEqual(first, '');
    const second = await cluster.startOperator();
    await operator.stop('SIGTERM');
    await cluster.waitUntil('the other operator to hold the Lease', async () => !['', first].includes(await holder()));
    operator = second;
    await cluster.apply(spec({ image: { repository: 'openlake/node-other' } }));
    await cluster.waitUntil('the Service to follow', async () => {
      const service = await cluster.plane.admin.must<V1Service>('GET', `/api/v1/namespaces/${cluster.namespace}/services/minimal`);
      return service.spec?.internalTrafficPolicy === 'Cluster';
    });
    await checkObjects(SECOND);
  });

  test('the deleted resource leaves the data; adopted again, it serves the same objects', async () => {
    await cluster.remove();
    await cluster.waitUntil('the pods to be gone', () => podsOfStorage().length === 0);
    const left = await cluster.plane.kubectlMust('get', 'daemonsets,services,deployments,pods', '-n', cluster.namespace, '-o', 'name');
    assert.equal(left, '');
    await cluster.apply(spec({ adopt: clusterId }));
    const status = await cluster.waitFor('the adopted cluster to be Ready', (seen) => isWhole(seen));
    assert.equal(status.clusterId, clusterId);
    await checkObjects(SECOND);
    const client = sdk(endpoint(0), SECOND);
    await client.send(new CreateBucketCommand({ Bucket: 'after' }));
    client.destroy();
  });
});
