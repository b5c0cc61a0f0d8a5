/** The charts as they render: snapshots, schemas of values, and that nothing in them parts from the code. */
import assert from 'node:assert/strict';
import { existsSync, globSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { chartFiles } from '../../helm/generate.ts';
import { validateCluster } from '../../operator/api/validate.ts';
import { clusterRules, leaseRules, namespaceRules } from '../../operator/kube/permissions.ts';
import type { Json } from './api-client.ts';
import { clusterChart, helm, helmMust, objectsOf, operatorChart, root } from './helm.ts';

const render = (...args: readonly string[]): Promise<string> =>
  helmMust('template', 'openlake-operator', operatorChart, '--namespace', 'openlake', ...args);

/** Compares with a file of the repository; with OPENLAKE_UPDATE set, writes it. */
function assertSnapshot(path: string, text: string): void {
  const file = join(root, path);
  if (process.env['OPENLAKE_UPDATE'] !== undefined || !existsSync(file)) {
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, text);
  }
  assert.equal(
    text,
    readFileSync(file, 'utf8'),
    `${path} is old; look at the difference, then: OPENLAKE_UPDATE=1 node --test test/kube/chart.test.ts`,
  );
}

function crd(text: string): Json | undefined {
  return objectsOf(text).find((object) => object['kind'] === 'CustomResourceDefinition');
}

test('the chart holds the CRDs of crds/ and the permissions of operator/kube', () => {
  for (const [path, text] of chartFiles()) assert.equal(readFileSync(join(root, path), 'utf8'), text, `${path}: run npm run generate`);
  const held = globSync('helm/operator/files/crds/*.yaml', { cwd: root }).toSorted();
  assert.deepEqual(held, [...chartFiles().keys()].filter((path) => path.includes('/crds/')).toSorted());
});

test('package, charts, images and examples are of one version', () => {
  const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { readonly version: string };
  for (const chart of ['operator', 'cluster']) {
    const [manifest] = objectsOf(readFileSync(join(root, `helm/${chart}/Chart.yaml`), 'utf8'));
    assert.deepEqual([manifest?.['version'], manifest?.['appVersion']], [version, version], chart);
  }
  for (const name of ['node', 'operator'])
    assert.match(readFileSync(join(root, `Dockerfile.${name}`), 'utf8'), new RegExp(`^ARG VERSION=${version}$`, 'm'));
  const [trial] = objectsOf(readFileSync(join(root, 'helm/examples/trial.yaml'), 'utf8'));
  assert.equal(trial?.['spec'].version, version);
});

test('helm lint finds nothing', async () => {
  for (const chart of [operatorChart, clusterChart]) {
    const lint = await helm('lint', '--strict', chart);
    assert.equal(lint.code, 0, `${lint.stdout}${lint.stderr}`);
  }
});

test('the plain manifests are the chart with its defaults', async () => {
  const text = await render();
  assertSnapshot('helm/manifests/operator.yaml', text.replace(/ +$/gm, ''));
});

test('with every option the chart renders as recorded', async () => {
  const text = await render('--values', join(root, 'test/kube/chart-values.yaml'), '--set', 'crds.enabled=false');
  assertSnapshot('test/fixtures/chart/every-option.yaml', text.replace(/ +$/gm, ''));
});

test('the operator gets a role in each watched namespace, and of the cluster only its Nodes to read', async () => {
  const objects = objectsOf(await render('--set', 'watchNamespaces={a,b}', '--set', 'crds.enabled=false'));
  const roles = objects.filter((object) => object['kind'] === 'Role');
  const rulesIn = (namespace: string): unknown => roles.find((role) => role['metadata'].namespace === namespace)?.['rules'];
  assert.deepEqual(rulesIn('a'), namespaceRules);
  assert.deepEqual(rulesIn('b'), namespaceRules);
  assert.deepEqual(rulesIn('openlake'), leaseRules);
  const clusterWide = objects.filter((object) => object['kind'] === 'ClusterRole');
  assert.deepEqual(
    clusterWide.map((role) => role['rules']),
    [clusterRules],
  );
  assert.deepEqual(clusterRules, [{ apiGroups: [''], resources: ['nodes'], verbs: ['get', 'list', 'watch'] }]);
});

test('the CRD is kept and carries the release; both can be switched off', async () => {
  assert.deepEqual(crd(await render())?.['metadata'].annotations, { 'helm.sh/resource-policy': 'keep' });
  assert.equal(crd(await render('--set', 'crds.keep=false'))?.['metadata'].annotations, undefined);
  assert.equal(crd(await render('--set', 'crds.enabled=false')), undefined);
});

test('the pod of the operator meets the restricted Pod Security level', async () => {
  const deployment = objectsOf(await render()).find((object) => object['kind'] === 'Deployment');
  const pod = deployment?.['spec'].template.spec;
  assert.equal(pod.securityContext.runAsNonRoot, true);
  assert.equal(pod.securityContext.seccompProfile.type, 'RuntimeDefault');
  const security = pod.containers[0].securityContext;
  assert.deepEqual(security, { allowPrivilegeEscalation: false, readOnlyRootFilesystem: true, capabilities: { drop: ['ALL'] } });
});

test('wrong values are refused with their name', async () => {
  const wrong: readonly (readonly [string, RegExp])[] = [
    ['replica=1', /replica/],
    ['image.digest=sha256:abc', /digest/],
    ['watchNamespaces={Upper}', /watchNamespaces/],
    ['image.pullPolicy=Sometimes', /pullPolicy/],
    ['replicas=9', /replicas/],
  ];
  for (const [value, expected] of wrong) {
    const refused = await helm('template', 'x', operatorChart, '--set', value);
    assert.notEqual(refused.code, 0, value);
    assert.match(refused.stderr, expected, value);
  }
  const refused = await helm('template', 'lake', clusterChart, '--set', 'name=Upper');
  assert.match(refused.stderr, /name/);
});

test('the cluster chart renders a resource that the operator accepts', async () => {
  const [object] = objectsOf(await helmMust('template', 'lake', clusterChart, '--namespace', 'data', '--set', 'spec.region=eu-west-1'));
  const result = validateCluster(object);
  assert.equal(result.kind, 'ok', JSON.stringify(result));
  assert.equal(object?.['metadata'].name, 'lake');
  assert.equal(object?.['metadata'].annotations['helm.sh/resource-policy'], 'keep');
  assert.equal(object?.['spec'].region, 'eu-west-1');
});

test('every example resource is one that the operator accepts', () => {
  const files = globSync(['helm/examples/**/*.yaml', 'crds/examples/*.yaml'], { cwd: root });
  const clusters = files
    .flatMap((path) => objectsOf(readFileSync(join(root, path), 'utf8')).map((object) => ({ path, object })))
    .filter(({ object }) => object['kind'] === 'OpenLakeCluster');
  assert.ok(clusters.length >= 4, `expected examples, found ${clusters.length}`);
  for (const { path, object } of clusters) assert.equal(validateCluster(object).kind, 'ok', path);
});
