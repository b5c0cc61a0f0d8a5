/**
 * The whole life of a cluster while its operator is killed again and again: bootstrap, rotation of credentials, TLS between nodes, rolling
 * restart with the API server restarted on the way, deletion, adoption. Every phase ends as it would undisturbed, and a
 * verified load that runs all the time, but while the cluster does not exist, sees no failed request and no wrong byte.
 * OPENLAKE_TEST_SEED replays a run's moments.
 */
import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { CreateBucketCommand, ListBucketsCommand, S3Client } from '@aws-sdk/client-s3';
import type { KubernetesListObject, KubernetesObject } from '@kubernetes/client-node';
import type { ClusterStatus } from '../../operator/api/status.ts';
import { Authority } from '../certificates.ts';
import { random, seed } from '../random.ts';
import { GPU_AND_RDMA } from './fake-node.ts';
import { FOUR_NODE_POOLS } from './four-nodes.ts';
import { type Credentials, condition, type KubeCluster, startKubeCluster } from './kube-cluster.ts';
import type { Service } from './service.ts';
import type { ServiceProxy } from './service-proxy.ts';
import { sharedControlPlane } from './shared.ts';
import { createLoad, type VerifiedLoad } from './verified-load.ts';

const KEYS: Readonly<Record<'old' | 'new', Credentials>> = {
  old: { accessKey: 'AKIAOLDOLDOLDOLDOLD1', secretKey: 'old-secret-old-secret-old-secret-old-sec' },
  new: { accessKey: 'AKIANEWNEWNEWNEWNEW2', secretKey: 'new-secret-new-secret-new-secret-new-sec' },
};

type Change = { readonly roots: readonly ('old' | 'new')[]; readonly repository?: string; readonly adopt?: string; readonly tls?: boolean };

function spec(change: Change): object {
  return {
    version: '0.1.0',
    image: { repository: change.repository ?? 'openlake/node' },
    pools: FOUR_NODE_POOLS,
    io: { memory: '128Mi', cores: 1 },
    credentials: { root: change.roots.map((name) => ({ secretRef: { name: `root-${name}` } })) },
    update: { minReadySeconds: 0 },
    ...(change.tls === true ? { tls: { peer: { mode: 'Require', secretRef: { name: 'lake-tls' } } } } : {}),
    ...(change.adopt === undefined ? {} : { adopt: change.adopt }),
  };
}

/** All conditions of a cluster that nothing is wrong with. */
const GOOD: Readonly<Record<string, string>> = {
  Ready: 'True',
  Reconciling: 'False',
  Stalled: 'False',
  Degraded: 'False',
  SpecValid: 'True',
  NodesEligible: 'True',
  MembershipStable: 'True',
  CredentialsValid: 'True',
  CertificatesValid: 'True',
  ConfigApplied: 'True',
  UpgradeSafe: 'True',
};

const isGood = (status: ClusterStatus): boolean =>
  Object.entries(GOOD).every(([type, wanted]) => condition(status, type).status === wanted) &&
  status.setsHealthy === '1/1' &&
  status.membersReady === '4/4';

/** What is decided once and for ever. */
const decided = ({ clusterId, members, layout }: ClusterStatus): unknown => ({
  clusterId,
  layout,
  members: members?.map(({ id, nodeName, address, pool }) => ({ id, nodeName, address, pool })),
});

const CHILDREN = [
  'daemonsets/minimal-p0',
  'deployments/minimal-guard',
  'poddisruptionbudgets/minimal-guard',
  'secrets/minimal-config',
  'secrets/minimal-identity',
  'serviceaccounts/minimal-node',
  'services/minimal',
  'services/minimal-nodes',
];

/** Passes over resources that an operator has made, as its metrics say. */
async function passesOf(operator: Service): Promise<number> {
  const [, address] = /"event":"listening","address":"([^"]+)"/.exec(readFileSync(operator.logFile, 'utf8')) ?? [];
  if (address === undefined) return 0;
  const text = await (await fetch(`http://${address}/metrics`)).text();
  return Number(/openlake_operator_reconciles_total\{result="done"\} (\d+)/.exec(text)?.[1] ?? 0);
}

describe(`the life of a cluster whose operator is killed again and again (seed ${seed})`, () => {
  let cluster: KubeCluster;
  let operator: Service;
  let load: VerifiedLoad;
  let proxy: ServiceProxy | undefined;
  let first: ClusterStatus;
  let identity: Readonly<Record<string, string>>;
  const next = random(seed);

  before(async () => {
    const node = { labels: GPU_AND_RDMA };
    cluster = await startKubeCluster(await sharedControlPlane(), { nodes: [node, node, node, node] });
    operator = await cluster.startOperator('operator-0');
    load = createLoad('bucket', KEYS.old);
  });
  after(async () => {
    await load?.pause();
    await proxy?.[Symbol.asyncDispose]();
    await cluster?.[Symbol.asyncDispose]();
  });

  const podsOfStorage = () => cluster.runner.pods().filter((pod) => pod.labels['app.kubernetes.io/name'] === 'openlake');

  /** Kills the operator after random times, from before its first request until well into its work; the last one stays. */
  async function killOperators(times: number): Promise<void> {
    for (let count = 0; count < times; count += 1) {
      await sleep(300 + next() * 2500);
      assert.equal(operator.ended(), undefined, 'an operator ended by itself');
      await operator.stop('SIGKILL');
      operator = await cluster.startOperator('operator-0');
    }
  }

  async function writeKeys(name: 'old' | 'new'): Promise<void> {
    const { accessKey, secretKey } = KEYS[name];
    const metadata = { name: `root-${name}`, namespace: cluster.namespace };
    await cluster.plane.apply({ apiVersion: 'v1', kind: 'Secret', metadata, stringData: { accessKey, secretKey } });
  }

  /** How each node answers a request signed with these keys: `yes`, or the error's name. */
  async function answers(credentials: Credentials): Promise<string[]> {
    return await Promise.all(
      cluster.nodes.map(async ({ address }) => {
        const keys = { accessKeyId: credentials.accessKey, secretAccessKey: credentials.secretKey };
        const client = new S3Client({ endpoint: `http://${address}:9000`, region: 'us-east-1', credentials: keys, maxAttempts: 1 });
        try {
          return await client.send(new ListBucketsCommand({})).then(
            () => 'yes',
            (error: unknown) => (error instanceof Error ? error.name : String(error)),
          );
        } finally {
          client.destroy();
        }
      }),
    );
  }

  /** Version by kind and name of everything that the operator made: of its spec where the API server counts these. */
  async function children(): Promise<Map<string, string>> {
    const found = new Map<string, string>();
    const kinds = ['api/v1:secrets', 'api/v1:services', 'api/v1:serviceaccounts', 'apis/apps/v1:daemonsets', 'apis/apps/v1:deployments'];
    for (const kind of [...kinds, 'apis/policy/v1:poddisruptionbudgets']) {
      const [group, plural] = kind.split(':');
      const selector = 'labelSelector=app.kubernetes.io%2Fmanaged-by%3Dopenlake-operator';
      const path = `/${group}/namespaces/${cluster.namespace}/${plural}?${selector}`;
      for (const { metadata } of (await cluster.plane.admin.must<KubernetesListObject<KubernetesObject>>('GET', path)).items)
        found.set(`${plural}/${metadata?.name}`, String(metadata?.generation ?? metadata?.resourceVersion));
    }
    return found;
  }

  /** The end of a phase: good by all conditions, nothing decided anew, the right children and pods, no complaint of the load. */
  async function checkEnd(): Promise<ClusterStatus> {
    const status = await cluster.waitFor(
      'the cluster to be good',
      (seen, object) => isGood(seen) && seen.observedGeneration === object.metadata.generation,
    );
    if (first !== undefined) assert.deepEqual(decided(status), decided(first));
    assert.deepEqual([...(await children()).keys()].toSorted(), CHILDREN);
    assert.deepEqual(
      podsOfStorage()
        .map(({ nodeName }) => nodeName)
        .toSorted(),
      cluster.nodes.map(({ name }) => name).toSorted(),
    );
    assert.deepEqual(load.failures, []);
    assert.equal(operator.ended(), undefined);
    return status;
  }

  test('it comes up', async () => {
    await Promise.all([writeKeys('old'), writeKeys('new')]);
    await cluster.apply(spec({ roots: ['old'] }));
    await killOperators(4);
    first = await checkEnd();
    assert.deepEqual(first.members?.map(({ id }) => id).toSorted(), [0, 1, 2, 3]);
    identity = await cluster.secret('minimal-identity');
    proxy = await cluster.proxy('minimal');
    await cluster.waitUntil('four ready endpoints', () => proxy?.endpoints().length === 4);
    const credentials = { accessKeyId: KEYS.old.accessKey, secretAccessKey: KEYS.old.secretKey };
    const client = new S3Client({ endpoint: proxy.url, region: 'us-east-1', forcePathStyle: true, credentials });
    await client.send(new CreateBucketCommand({ Bucket: 'bucket' }));
    client.destroy();
    load.start(proxy.url);
  });

  test('its keys are rotated, in two steps as a client needs them that must not fail', async () => {
    const earlier = podsOfStorage().map(({ uid, pid }) => `${uid} ${pid}`);
    await cluster.apply(spec({ roots: ['new', 'old'] }));
    await killOperators(2);
    await cluster.waitUntil('the new keys to work everywhere', async () => (await answers(KEYS.new)).every((answer) => answer === 'yes'));
    load.use(KEYS.new);
    await cluster.apply(spec({ roots: ['new'] }));
    await killOperators(2);
    await cluster.waitUntil('the old keys to be refused everywhere', async () =>
      (await answers(KEYS.old)).every((answer) => answer === 'InvalidAccessKeyId'),
    );
    await checkEnd();
    assert.deepEqual(
      podsOfStorage().map(({ uid, pid }) => `${uid} ${pid}`),
      earlier,
    );
  });

  test('TLS comes between its nodes, step by step', async () => {
    const earlier = podsOfStorage().map(({ uid, pid }) => `${uid} ${pid}`);
    const folder = mkdtempSync(join(tmpdir(), 'openlake-chaos-tls-'));
    const authority = new Authority(folder, 'ours');
    const { certificate, key } = authority.issue({ names: `DNS:minimal-nodes.${cluster.namespace}.svc` });
    const stringData = { 'tls.crt': certificate, 'tls.key': key, 'ca.crt': authority.pem };
    rmSync(folder, { recursive: true });
    const metadata = { name: 'lake-tls', namespace: cluster.namespace };
    await cluster.apply(spec({ roots: ['new'], tls: true }));
    await killOperators(1);
    await cluster.plane.apply({ apiVersion: 'v1', kind: 'Secret', metadata, stringData });
    await killOperators(4);
    const status = await checkEnd();
    assert.equal(condition(status, 'PeersEncrypted').message, 'nodes require TLS');
    assert.deepEqual(
      podsOfStorage().map(({ uid, pid }) => `${uid} ${pid}`),
      earlier,
    );
  });

  test('it rolls to another image, with the API server restarted on the way', async () => {
    let mostAway = 0;
    const watch = setInterval(() => {
      mostAway = Math.max(mostAway, 4 - podsOfStorage().filter((pod) => pod.ready).length);
    }, 30);
    try {
      await cluster.apply(spec({ roots: ['new'], repository: 'openlake/node-later', tls: true }));
      await killOperators(2);
      await cluster.plane.restartApiServer();
      await killOperators(3);
      await cluster.waitUntil('every pod to be of the new image', () =>
        podsOfStorage().every((pod) => pod.image.startsWith('openlake/node-later')),
      );
      await checkEnd();
    } finally {
      clearInterval(watch);
    }
    assert.ok(mostAway <= 1, `${mostAway} pods were away at the same time`);
  });

  test('an operator that is not disturbed finds nothing to do', async () => {
    const { status } = await cluster.get();
    const made = await children();
    await operator.stop('SIGTERM');
    operator = await cluster.startOperator('operator-0');
    await cluster.waitUntil('its first pass, which writes everything anew', async () => (await passesOf(operator)) >= 2);
    assert.deepEqual(await children(), made);
    assert.deepEqual((await cluster.get()).status, status);
  });

  test('it is deleted: pods and children go, data and identity stay', async () => {
    await load.pause();
    assert.deepEqual(load.failures, []);
    const removed = cluster.remove();
    await killOperators(3);
    await removed;
    await cluster.waitUntil('the pods to be gone', () => cluster.runner.pods().length === 0);
    await cluster.waitUntil('the children to be gone', async () => (await children()).size === 1);
    assert.deepEqual([...(await children()).keys()], ['secrets/minimal-identity']);
    assert.deepEqual(await cluster.secret('minimal-identity'), identity);
  });

  test('it is adopted again, and serves the same objects', async () => {
    await cluster.apply(spec({ roots: ['new'], adopt: first.clusterId ?? '', tls: true }));
    await killOperators(4);
    assert.equal(condition(await checkEnd(), 'PeersEncrypted').message, 'nodes require TLS');
    const { ownerUid: _before, ...rest } = identity;
    const { ownerUid: _after, ...now } = await cluster.secret('minimal-identity');
    assert.deepEqual(now, rest);
    for (const { address } of cluster.nodes) assert.deepEqual(await load.verify(`http://${address}:9000`), []);
    await cluster.waitUntil('four ready endpoints', () => proxy?.endpoints().length === 4);
    load.start(proxy?.url ?? '');
    await killOperators(1);
    await load.pause();
    await checkEnd();
    assert.ok(load.requests() > 500, `only ${load.requests()} requests were made`);
  });
});
