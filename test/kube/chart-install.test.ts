/** The charts on a real API server: valid by its own schemas, installed, upgraded, uninstalled; CRDs and clusters outlive all of it. */
import assert from 'node:assert/strict';
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import type { Json } from './api-client.ts';
import { type ControlPlane, startControlPlane } from './control-plane.ts';
import { clusterChart, helm, helmMust, kubeconform, objectsOf, operatorChart, root, writeSchemas } from './helm.ts';

const CRD = '/apis/apiextensions.k8s.io/v1/customresourcedefinitions/openlakeclusters.openlake.dev';
const CLUSTERS = '/apis/openlake.dev/v1alpha1/namespaces/openlake/openlakeclusters';
let folder: string;
let plane: ControlPlane;

const onCluster = (...args: readonly string[]): Promise<string> =>
  helmMust(...args, '--kubeconfig', plane.adminKubeconfig, '--namespace', 'openlake');

/** A copy of the operator's chart whose CRD has one more column, as a later release would. */
function laterChart(): string {
  const chart = join(folder, 'later');
  cpSync(operatorChart, chart, { recursive: true });
  const file = join(chart, 'files/crds/openlake.dev_openlakeclusters.yaml');
  const column = '      additionalPrinterColumns:\n        - name: Later\n          type: string\n          jsonPath: .spec.region\n';
  writeFileSync(file, readFileSync(file, 'utf8').replace('      additionalPrinterColumns:\n', column));
  return chart;
}

async function columns(): Promise<readonly string[]> {
  const crd = await plane.admin.must('GET', CRD);
  return crd['spec'].versions[0].additionalPrinterColumns.map((column: Json) => column['name'] as string);
}

describe('the charts on a real API server', () => {
  before(async () => {
    folder = mkdtempSync(join(tmpdir(), 'openlake-chart-'));
    plane = await startControlPlane();
  });

  after(async () => {
    await plane?.[Symbol.asyncDispose]();
    rmSync(folder, { recursive: true, force: true });
  });

  test('install, a cluster by its chart, upgrade of the CRD, rollback, uninstall: CRD and cluster stay', async () => {
    await onCluster('install', 'openlake-operator', operatorChart, '--create-namespace');
    const deployment = await plane.admin.must('GET', '/apis/apps/v1/namespaces/openlake/deployments/openlake-operator');
    assert.equal(deployment['spec'].replicas, 2);
    assert.ok(!(await columns()).includes('Later'));

    await plane.kubectlMust('wait', '--for=condition=Established', 'crd/openlakeclusters.openlake.dev', '--timeout=30s');
    await onCluster('install', 'lake', clusterChart);
    const created = await plane.admin.must('GET', `${CLUSTERS}/lake`);

    await onCluster('upgrade', 'openlake-operator', laterChart());
    assert.ok((await columns()).includes('Later'), 'the upgrade left the CRD as it was');
    await onCluster('rollback', 'openlake-operator', '1');
    assert.ok(!(await columns()).includes('Later'));

    await onCluster('uninstall', 'lake');
    await onCluster('uninstall', 'openlake-operator');
    const gone = await plane.admin.request('GET', '/apis/apps/v1/namespaces/openlake/deployments/openlake-operator');
    assert.equal(gone.status, 404);
    const kept = await plane.admin.must('GET', `${CLUSTERS}/lake`);
    assert.equal(kept['metadata'].uid, created['metadata'].uid);

    await onCluster('install', 'openlake-operator', operatorChart);
    assert.equal((await plane.admin.must('GET', `${CLUSTERS}/lake`))['metadata'].uid, created['metadata'].uid);
  });

  test('the plain manifests apply, twice without a change', async () => {
    const plain = [
      'apply',
      '--server-side',
      '--field-manager=plain',
      '--force-conflicts',
      '-f',
      join(root, 'helm/manifests/operator.yaml'),
    ];
    await plane.kubectlMust('create', 'namespace', 'plain').catch(() => '');
    await plane.kubectlMust(...plain);
    const read = async (): Promise<string> =>
      (await plane.admin.must('GET', '/apis/apps/v1/namespaces/openlake/deployments/openlake-operator'))['metadata'].resourceVersion;
    const first = await read();
    await plane.kubectlMust(...plain);
    assert.equal(await read(), first);
  });

  test('everything that the charts render is valid by the API server’s own schemas', async () => {
    const schemas = join(folder, 'schemas');
    writeSchemas(await plane.admin.must('GET', '/openapi/v2'), schemas);
    const every = await helmMust(
      'template',
      'x',
      operatorChart,
      '--namespace',
      'openlake',
      '--values',
      join(root, 'test/kube/chart-values.yaml'),
    );
    const cluster = await helmMust('template', 'lake', clusterChart, '--namespace', 'openlake');
    const rendered = { every, cluster, plain: readFileSync(join(root, 'helm/manifests/operator.yaml'), 'utf8') };
    for (const [name, text] of Object.entries(rendered)) {
      const file = join(folder, `${name}.yaml`);
      writeFileSync(file, text);
      const checked = await kubeconform(file, { schemas, skip: ['PodMonitor'] });
      assert.equal(checked.code, 0, `${name}: ${checked.stdout}${checked.stderr}`);
      assert.match(checked.stdout, new RegExp(`${objectsOf(text).length} resources? found`), name);
    }
    const wrong = join(folder, 'wrong.yaml');
    writeFileSync(wrong, rendered.plain.replace('replicas: 2', 'replicaCount: 2'));
    assert.notEqual((await kubeconform(wrong, { schemas })).code, 0, 'an unknown field passed');
  });

  test('the role reaches the namespaces that are watched and no others', async () => {
    for (const name of ['lake-a', 'lake-b', 'other']) await plane.kubectlMust('create', 'namespace', name);
    const watching = ['--set', 'watchNamespaces={lake-a,lake-b}', '--set', 'crds.enabled=false'];
    await helmMust('install', 'second', operatorChart, '--kubeconfig', plane.adminKubeconfig, '--namespace', 'lake-a', ...watching);
    const may = async (verb: string, resource: string, namespace: string): Promise<string> => {
      const asked = [
        'auth',
        'can-i',
        verb,
        resource,
        '--namespace',
        namespace,
        '--as',
        'system:serviceaccount:lake-a:second-openlake-operator',
      ];
      return (await plane.kubectl(...asked)).stdout.trim();
    };
    assert.equal(await may('create', 'daemonsets.apps', 'lake-b'), 'yes');
    assert.equal(await may('list', 'nodes', 'lake-a'), 'yes');
    assert.equal(await may('patch', 'nodes', 'lake-a'), 'no');
    assert.equal(await may('get', 'secrets', 'other'), 'no');
    assert.equal(await may('update', 'leases.coordination.k8s.io', 'lake-b'), 'no');
    const refused = await helm('template', 'x', operatorChart, '--kube-version', '1.20.0');
    assert.notEqual(refused.code, 0);
  });
});
