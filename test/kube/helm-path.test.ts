/** As an administrator does it: the operator installed by Helm and run as its pods, a cluster applied, the operator upgraded and removed. */
import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { CreateBucketCommand, GetObjectCommand, PutObjectCommand, S3Client } from '@aws-sdk/client-s3';
import { helmMust, objectsOf, operatorChart, root } from './helm.ts';
import { condition, startKubeCluster } from './kube-cluster.ts';
import { sharedControlPlane } from './shared.ts';

const Bucket = 'helm';

test('Helm installs the operator, its pods run a cluster; upgrade and uninstall do not touch the data path', async () => {
  const plane = await sharedControlPlane();
  await using cluster = await startKubeCluster(plane, { nodes: [{}, {}, {}, {}] });
  const { namespace } = cluster;
  // The test bed installed the CRD already.
  const release = ['--namespace', namespace, '--kubeconfig', plane.adminKubeconfig, '--set', 'crds.enabled=false'];
  const rollout = (): Promise<string> =>
    plane.kubectlMust('rollout', 'status', 'deployment/lake-openlake-operator', '--namespace', namespace, '--timeout=180s');
  const operatorPods = (): readonly string[] =>
    cluster.runner
      .pods()
      .filter((pod) => pod.namespace === namespace && pod.labels['app.kubernetes.io/name'] === 'openlake-operator')
      .map((pod) => pod.name);

  await helmMust('install', 'lake', operatorChart, ...release);
  await rollout();
  assert.equal(operatorPods().length, 2);
  // The trial of docs/start.md, on nodes that nobody prepared.
  const [trial] = objectsOf(readFileSync(join(root, 'helm/examples/trial.yaml'), 'utf8'));
  await cluster.apply(trial?.['spec'] as object);
  await cluster.waitFor('the cluster to be Ready', (status) => condition(status, 'Ready').status === 'True');

  // The keys were generated, as the resource names none.
  const keys = await cluster.secret('minimal-root');
  const client = new S3Client({
    endpoint: `http://${cluster.nodes[0]?.address}:9000`,
    region: 'us-east-1',
    forcePathStyle: true,
    credentials: { accessKeyId: keys['accessKey'] as string, secretAccessKey: keys['secretKey'] as string },
  });
  const body = randomBytes(2 * 1024 * 1024 + 5);
  const read = async (): Promise<string> => {
    const answer = await client.send(new GetObjectCommand({ Bucket, Key: 'object' }));
    return createHash('sha256')
      .update((await answer.Body?.transformToByteArray()) ?? new Uint8Array())
      .digest('hex');
  };
  await client.send(new CreateBucketCommand({ Bucket }));
  await client.send(new PutObjectCommand({ Bucket, Key: 'object', Body: body }));
  const hash = createHash('sha256').update(body).digest('hex');
  assert.equal(await read(), hash);

  const storage = (): readonly string[] =>
    cluster.runner
      .pods()
      .filter((pod) => pod.namespace === namespace && pod.labels['app.kubernetes.io/name'] === 'openlake')
      .map((pod) => `${pod.name} ${pod.pid}`)
      .toSorted((left, right) => left.localeCompare(right));
  const running = storage();
  assert.equal(running.length, 4);
  const old = operatorPods();
  await helmMust('upgrade', 'lake', operatorChart, ...release, '--set', 'podAnnotations.release=second');
  await rollout();
  await cluster.waitUntil('the old operator pods to end', () => operatorPods().every((name) => !old.includes(name)));
  await cluster.waitFor('the new operator to see the cluster whole', (status) => condition(status, 'Ready').status === 'True');
  assert.deepEqual(storage(), running, 'an upgrade of the operator restarted storage pods');

  await helmMust('uninstall', 'lake', '--namespace', namespace, '--kubeconfig', plane.adminKubeconfig);
  await cluster.waitUntil('the operator to be gone', () => operatorPods().length === 0);
  assert.deepEqual(storage(), running);
  assert.equal(await read(), hash);
  client.destroy();
});
