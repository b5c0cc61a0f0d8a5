/**
 * TLS between nodes on Kubernetes: switched on under load, certificates by another authority, a Secret of no use, and off again; no pod is
 * restarted for any of it, and no request has to be made twice. The tests build on each other, in this order.
 */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { CreateBucketCommand, S3Client } from '@aws-sdk/client-s3';
import type { SetsView } from '../../node/admin/schemas.ts';
import type { ClusterStatus } from '../../operator/api/status.ts';
import { Authority } from '../certificates.ts';
import { FOUR_NODE_POOLS, startFourNodes } from './four-nodes.ts';
import { type Credentials, condition, type KubeCluster } from './kube-cluster.ts';
import { createLoad, type VerifiedLoad } from './verified-load.ts';

type Mode = 'Disabled' | 'Accept' | 'Require';

let cluster: KubeCluster;
let folder: string;
let load: VerifiedLoad;
let token = '';
let uids: string[];
let authorities: { readonly first: Authority; readonly second: Authority };

const endpoint = (index: number): string => `http://${cluster.nodes[index]?.address}:9000`;
const podUids = (): string[] =>
  cluster.runner
    .pods()
    .flatMap((pod) => (pod.labels['app.kubernetes.io/name'] === 'openlake' ? [pod.uid] : []))
    .toSorted();

function spec(mode: Mode): object {
  return {
    version: '0.1.0',
    pools: FOUR_NODE_POOLS,
    io: { memory: '128Mi', cores: 2 },
    tls: { peer: { mode, secretRef: { name: 'lake-tls' } } },
  };
}

/** Writes the Secret as cert-manager does when it issues, or renews. */
async function certify(authority: Authority, key?: string): Promise<void> {
  const issued = authority.issue({
    names: `DNS:minimal-nodes.${cluster.namespace}.svc`,
    extension: 'extendedKeyUsage=serverAuth,clientAuth',
  });
  await cluster.plane.apply({
    apiVersion: 'v1',
    kind: 'Secret',
    type: 'kubernetes.io/tls',
    metadata: { name: 'lake-tls', namespace: cluster.namespace },
    stringData: { 'tls.crt': issued.certificate, 'tls.key': key ?? issued.key, 'ca.crt': authority.pem },
  });
}

/** What the nodes say of the links between them. */
async function links(): Promise<boolean[]> {
  const views = cluster.nodes.map(async ({ address }) => {
    const reply = await fetch(`http://${address}:9002/v1/sets`, { headers: { authorization: `Bearer ${token}` } });
    return ((await reply.json()) as SetsView).peers ?? [];
  });
  return (await Promise.all(views)).flatMap((peers) => peers.map(({ encrypted }) => encrypted));
}

const isSteady = (status: ClusterStatus): boolean =>
  condition(status, 'Ready').status === 'True' &&
  condition(status, 'Reconciling').status === 'False' &&
  condition(status, 'ConfigApplied').status === 'True';
const requires = (status: ClusterStatus): boolean =>
  isSteady(status) &&
  condition(status, 'PeersEncrypted').status === 'True' &&
  condition(status, 'PeersEncrypted').message === 'nodes require TLS';

/** Authorities that the nodes are told to trust, and the mode. */
async function told(): Promise<{ readonly authorities: number; readonly mode: string | undefined }> {
  const files = await cluster.secret('minimal-config');
  const [, authority = ''] = Object.entries(files).find(([name]) => name.endsWith('-ca.crt')) ?? [];
  const mode = /\[peer_tls\][^[]*?^mode = "(\w+)"/ms.exec(files['_cluster.toml'] ?? '')?.[1];
  return { authorities: authority.split('BEGIN CERTIFICATE').length - 1, mode };
}

describe('TLS between nodes', () => {
  before(async () => {
    folder = mkdtempSync(join(tmpdir(), 'openlake-kube-tls-'));
    authorities = { first: new Authority(folder, 'first'), second: new Authority(folder, 'second') };
    cluster = await startFourNodes();
    await cluster.startOperator();
    await cluster.apply(spec('Disabled'));
    const status = await cluster.waitFor('the cluster to be Ready', isSteady);
    assert.equal(condition(status, 'PeersEncrypted').reason, 'TlsDisabled');
    token = (await cluster.secret('minimal-identity'))['adminToken'] ?? '';
    const { accessKey = '', secretKey = '' } = await cluster.secret('minimal-root');
    const keys: Credentials = { accessKey, secretKey };
    const client = new S3Client({
      endpoint: endpoint(0),
      region: 'us-east-1',
      forcePathStyle: true,
      credentials: { accessKeyId: accessKey, secretAccessKey: secretKey },
    });
    await client.send(new CreateBucketCommand({ Bucket: 'bucket' }));
    client.destroy();
    uids = podUids();
    load = createLoad('bucket', keys, 1);
    load.start(endpoint(1));
  });
  after(async () => {
    await load?.pause();
    await cluster?.[Symbol.asyncDispose]();
    rmSync(folder, { recursive: true, force: true });
  });

  test('without its Secret nothing changes, and the condition says what is missing', async () => {
    await cluster.apply(spec('Require'));
    const status = await cluster.waitFor(
      'the missing Secret to be told',
      (seen) => condition(seen, 'CertificatesValid').status === 'False',
    );
    assert.equal(condition(status, 'CertificatesValid').message, `Secret ${cluster.namespace}/lake-tls does not exist`);
    assert.ok((await links()).every((encrypted) => !encrypted));
  });

  test('with the Secret nodes accept TLS, then require it, and every link is encrypted', async () => {
    await certify(authorities.first);
    await cluster.waitUntil('accept', async () => (await told()).mode === 'accept');
    const status = await cluster.waitFor('TLS to be required', requires);
    assert.deepEqual(await told(), { authorities: 1, mode: 'require' });
    assert.deepEqual(new Set(await links()), new Set([true]));
    assert.deepEqual(status.certificates, [{ name: 'lake-tls', notAfter: '2099-01-01T00:00:00Z' }]);
  });

  test('a certificate by another authority takes the place of the old one, round by round', async () => {
    await certify(authorities.second);
    await cluster.waitUntil('both authorities to be trusted', async () => (await told()).authorities === 2);
    await cluster.waitUntil('the old authority to be gone', async () => (await told()).authorities === 1);
    await cluster.waitFor('all nodes to use the new one', requires);
    assert.deepEqual(new Set(await links()), new Set([true]));
  });

  test('a Secret of no use is told and not passed on; a node that restarts comes back with the last good one', async () => {
    const good = await cluster.secret('minimal-config');
    await certify(authorities.second, authorities.second.issue({ names: 'DNS:a' }).key);
    const status = await cluster.waitFor('the wrong key to be told', (seen) => condition(seen, 'CertificatesValid').status === 'False');
    assert.match(
      condition(status, 'CertificatesValid').message,
      /lake-tls: key tls\.key: expected the key of the first certificate in tls\.crt/,
    );
    assert.equal(condition(status, 'Ready').status, 'True');
    assert.deepEqual(await cluster.secret('minimal-config'), good);
    const node = cluster.nodes[3]?.name ?? '';
    await load.pause();
    const { pid } = cluster.runner.podOn(node);
    cluster.runner.podOn(node).kill('SIGKILL');
    await cluster.waitUntil('the node to be back', () => {
      const pod = cluster.runner.podOn(node);
      return pod.pid !== pid && pod.ready;
    });
    load.start(endpoint(1));
    await certify(authorities.second);
    await cluster.waitFor(
      'the mended Secret to be used',
      (seen) => condition(seen, 'CertificatesValid').status === 'True' && requires(seen),
    );
    assert.notDeepEqual(await cluster.secret('minimal-config'), good);
  });

  test('off again: nodes accept links without TLS first; no pod was restarted, and no request failed', async () => {
    await cluster.apply(spec('Disabled'));
    await cluster.waitUntil('accept', async () => (await told()).mode === 'accept');
    await cluster.waitFor('TLS to be gone', (seen) => isSteady(seen) && condition(seen, 'PeersEncrypted').reason === 'TlsDisabled');
    await cluster.waitUntil('links without TLS', async () => (await links()).every((encrypted) => !encrypted));
    await load.pause();
    assert.deepEqual(podUids(), uids);
    assert.deepEqual(load.failures, []);
    assert.ok(load.requests() > 100, `${load.requests()} requests`);
    assert.deepEqual(await load.verify(endpoint(2)), []);
  });
});
