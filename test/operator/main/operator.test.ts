/**
 * The whole operator against the API server in memory: it comes to the same end whatever single request fails, asks for
 * nothing beyond its permissions, and says what only a person can mend.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { clusterRules, leaseRules, namespaceRules } from '../../../operator/kube/permissions.ts';
import { definedSchema, OPENAPI_PATH } from '../../../operator/main/crd-check.ts';
import { eventually } from '../fake-kube/eventually.ts';
import { startFakeKube } from '../fake-kube/fake-kube.ts';
import { children, condition, createResource, EXPECTED, isDone, place, startOperator, status } from './running-operator.ts';

test('a resource becomes children; members stand in status before there is a DaemonSet', async () => {
  await using kube = await startFakeKube();
  createResource(kube);
  let early = false;
  kube.store.onEvent((collection) => {
    if (collection.endsWith('/daemonsets') && status(kube)?.members?.length !== 4) early = true;
  });
  await using operators = new AsyncDisposableStack();
  operators.use(startOperator(kube));
  await eventually(() => isDone(kube));
  assert.deepEqual(children(kube).toSorted(), EXPECTED.toSorted());
  assert.equal(early, false);
  assert.deepEqual(kube.store.get(place)?.metadata?.finalizers, ['openlake.dev/cluster']);
  assert.equal(status(kube)?.observedGeneration, 1);
  const events = kube.store.list('/api/v1/namespaces/ns/events') as { reason?: string }[];
  assert.ok(events.some((event) => event.reason === 'MembersChosen'));
});

test('every request lies within the permissions', async () => {
  await using kube = await startFakeKube();
  createResource(kube);
  {
    await using operators = new AsyncDisposableStack();
    operators.use(startOperator(kube));
    await eventually(() => isDone(kube));
    kube.store.remove(place);
    await eventually(() => kube.store.get(place) === undefined);
  }
  const rules = [...namespaceRules, ...leaseRules, ...clusterRules];
  // What every authenticated user may see.
  const used = new Set(kube.requests.filter((request) => !request.includes(OPENAPI_PATH)).map(asPermission));
  for (const text of used) {
    const [group = '', resource = '', verb = ''] = text.split(' ');
    const allowed = rules.some(
      (rule) => rule.apiGroups.includes(group.slice(1)) && rule.resources.includes(resource) && rule.verbs.includes(verb),
    );
    assert.ok(allowed, `no rule allows ${text}`);
  }
  assert.ok(used.size > 15, `only ${used.size} different permissions were used`);
  assert.deepEqual(children(kube).toSorted(), ['Secret sample-identity', 'Secret sample-root']);
});

/** `/GROUP RESOURCE VERB` as RBAC names a request. */
function asPermission(request: string): string {
  const [method = '', target = ''] = request.split(' ');
  const url = new URL(target, 'http://fake');
  const [, group = '', rest = ''] = /^\/(?:api|apis\/([^/]+))\/[^/]+\/(.*)$/.exec(url.pathname)?.map((part) => part ?? '') ?? [];
  const parts = rest.replace(/^namespaces\/[^/]+\//, '').split('/');
  const [resource = '', name, part] = parts;
  const verbs: Readonly<Record<string, string>> = { POST: 'create', PUT: 'update', PATCH: 'patch', DELETE: 'delete' };
  const reading = name !== undefined ? 'get' : url.searchParams.has('watch') ? 'watch' : 'list';
  return `/${group} ${part === undefined ? resource : `${resource}/${part}`} ${verbs[method] ?? reading}`;
}

test('whichever write fails, the end is the same', async () => {
  const writes = [
    'POST /api/v1/namespaces/ns/secrets',
    'PATCH /apis/openlake.dev/v1alpha1/namespaces/ns/openlakeclusters/sample?',
    'sample/status',
    'secrets/sample-config',
    'services/sample',
    'daemonsets/sample-p0',
    'deployments/sample-guard',
    'poddisruptionbudgets/sample-guard',
    'serviceaccounts/sample-node',
  ];
  for (const write of writes) {
    for (const fault of [
      { status: 409, reason: 'Conflict' },
      { status: 500, reason: 'InternalError' },
      { status: 429, reason: 'TooManyRequests' },
    ]) {
      await using kube = await startFakeKube();
      createResource(kube);
      kube.fail(write, { ...fault, times: 2 });
      await using operators = new AsyncDisposableStack();
      operators.use(startOperator(kube));
      await eventually(
        () => isDone(kube),
        () => `${write} with ${fault.status}: ${children(kube).join(', ')}`,
      );
      assert.deepEqual(children(kube).toSorted(), EXPECTED.toSorted());
    }
  }
});

test('what is forbidden is Stalled, with verb and resource, until the right is given', async () => {
  await using kube = await startFakeKube();
  createResource(kube);
  kube.fail('PATCH /apis/apps/v1/namespaces/ns/daemonsets', { status: 403, reason: 'Forbidden', times: 1_000 });
  await using operators = new AsyncDisposableStack();
  operators.use(startOperator(kube));
  await eventually(() => condition(kube, 'Stalled').startsWith('True Forbidden'));
  assert.match(condition(kube, 'Stalled'), /PATCH daemonsets ns\/sample-p0/);
  assert.equal(status(kube)?.members?.length, 4);
});

test('what the API server refuses is Stalled at once, in its own words', async () => {
  await using kube = await startFakeKube();
  createResource(kube);
  kube.fail('PATCH /apis/apps/v1/namespaces/ns/daemonsets', { status: 422, reason: 'Invalid', times: 1_000 });
  await using operators = new AsyncDisposableStack();
  operators.use(startOperator(kube));
  await eventually(() => condition(kube, 'Stalled').startsWith('True ChildRefused'));
  assert.match(condition(kube, 'Stalled'), /PATCH daemonsets ns\/sample-p0: the API server answers 422 Invalid: as the test asked for/);
});

test('times are those of the API server, whatever our own clock says', async () => {
  for (const skewMs of [-3_600_000, 3_600_000]) {
    await using kube = await startFakeKube();
    createResource(kube);
    await using operators = new AsyncDisposableStack();
    operators.use(startOperator(kube, 'a', () => Date.now() + skewMs));
    await eventually(() => isDone(kube));
    for (const { type, lastTransitionTime } of status(kube)?.conditions ?? [])
      assert.ok(Math.abs(Date.parse(lastTransitionTime) - Date.now()) < 60_000, `${type} changed at ${lastTransitionTime}`);
  }
});

test('an operator waits for a definition that has all that it writes, and says what is missing', async () => {
  await using kube = await startFakeKube();
  createResource(kube);
  kube.serveDefinition(undefined);
  await using operators = new AsyncDisposableStack();
  const operator = operators.use(startOperator(kube));
  const said = (text: string): boolean => operator.lines.some((line) => line.includes(text));
  await eventually(() => said('CustomResourceDefinition openlakeclusters.openlake.dev is not installed'));
  const older = structuredClone(definedSchema()) as { properties: { status: { properties: Record<string, unknown> } } };
  delete older.properties.status.properties['rollout'];
  kube.serveDefinition(older);
  await eventually(() => said('is older than this operator, it lacks status.rollout: upgrade it first'));
  assert.deepEqual(children(kube), []);
  kube.serveDefinition({ ...definedSchema(), newer: {} });
  await eventually(() => isDone(kube));
});

test('an object in the place of a child is Stalled, and left alone', async () => {
  await using kube = await startFakeKube();
  createResource(kube);
  kube.store.put(
    { collection: '/api/v1/namespaces/ns/services', name: 'sample' },
    { apiVersion: 'v1', kind: 'Service', metadata: { name: 'sample', namespace: 'ns' }, spec: { theirs: 1 } },
  );
  await using operators = new AsyncDisposableStack();
  operators.use(startOperator(kube));
  await eventually(() => condition(kube, 'Stalled').startsWith('True ChildNotOurs'));
  assert.deepEqual(kube.store.get({ collection: '/api/v1/namespaces/ns/services', name: 'sample' })?.spec, { theirs: 1 });
});

test('a stand-by does nothing, and goes on where the first one ended', async () => {
  await using kube = await startFakeKube();
  const first = startOperator(kube, 'a');
  await eventually(() => first.lines.some((line) => line.includes('"leading"')));
  await using second = startOperator(kube, 'b');
  await eventually(() => second.lines.some((line) => line.includes('"listening"')));
  createResource(kube);
  await eventually(() => isDone(kube));
  assert.ok(!second.lines.some((line) => line.includes('"leading"')));
  await first[Symbol.asyncDispose]();
  await eventually(() => second.lines.some((line) => line.includes('"leading"')));
  kube.store.remove({ collection: '/apis/apps/v1/namespaces/ns/daemonsets', name: 'sample-p0' });
  await eventually(() => isDone(kube));
});
