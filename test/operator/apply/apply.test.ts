/** The writer: skips what is there, takes nothing from others, hits only what was meant. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { KubernetesObject } from '@kubernetes/client-node';
import { type ApplyContext, applyActions, ChildNotOurs } from '../../../operator/apply/apply.ts';
import { writeStatus } from '../../../operator/apply/status.ts';
import { createClient } from '../../../operator/kube/client.ts';
import { isConflict } from '../../../operator/kube/errors.ts';
import type { ObservedCluster } from '../../../operator/plan/snapshot.ts';
import { type FakeKube, startFakeKube } from '../fake-kube/fake-kube.ts';

const clusters = '/apis/openlake.dev/v1alpha1/namespaces/ns/openlakeclusters';
const services = '/api/v1/namespaces/ns/services';
const owner = { apiVersion: 'openlake.dev/v1alpha1', kind: 'OpenLakeCluster', name: 'lake', uid: 'uid-of-lake', controller: true };

function child(ports = 1): KubernetesObject & { spec: object } {
  return { apiVersion: 'v1', kind: 'Service', metadata: { name: 'lake', namespace: 'ns', ownerReferences: [owner] }, spec: { ports } };
}

function setUp(kube: FakeKube): { readonly context: ApplyContext; readonly cluster: ObservedCluster } {
  const stored = kube.store.put(
    { collection: clusters, name: 'lake' },
    { apiVersion: owner.apiVersion, kind: owner.kind, metadata: { name: 'lake', namespace: 'ns' }, spec: {} },
  );
  const cluster: ObservedCluster = {
    name: 'lake',
    namespace: 'ns',
    uid: 'uid-of-lake',
    generation: 1,
    resourceVersion: stored.metadata?.resourceVersion ?? '',
    annotations: {},
    finalizers: ['someone/else'],
    deleting: false,
    spec: {},
    status: { observedGeneration: -1 },
  };
  const client = createClient(kube.config);
  const lookup = (kind: string, name: string): KubernetesObject | undefined =>
    kind === 'Service' ? kube.store.get({ collection: services, name }) : undefined;
  return { cluster, context: { client, cluster, lookup, isFullPass: false } };
}

const writes = (kube: FakeKube): string[] => kube.requests.filter((request) => !request.startsWith('GET '));

test('a child is written once, again when it should be another, and in a full pass', async () => {
  await using kube = await startFakeKube();
  const { context } = setUp(kube);
  const apply = (object: KubernetesObject, isFullPass = false) =>
    applyActions([{ kind: 'apply', object, owned: true }], { ...context, isFullPass });
  await apply(child());
  await apply(child());
  assert.equal(writes(kube).length, 1);
  assert.match(writes(kube)[0] ?? '', /^PATCH \/api\/v1\/namespaces\/ns\/services\/lake\?fieldManager=openlake-operator&force=true$/);
  await apply(child(2));
  assert.equal(writes(kube).length, 2);
  await apply(child(2), true);
  assert.equal(writes(kube).length, 3);
  context.client.close();
});

test('an object of the same name that is not ours is left alone', async () => {
  await using kube = await startFakeKube();
  const { context } = setUp(kube);
  kube.store.put(
    { collection: services, name: 'lake' },
    { apiVersion: 'v1', kind: 'Service', metadata: { name: 'lake', namespace: 'ns' }, spec: { theirs: true } },
  );
  // Neither when the local copy shows it, nor when the copy does not know it yet.
  for (const lookup of [context.lookup, () => undefined]) {
    await assert.rejects(applyActions([{ kind: 'apply', object: child(), owned: true }], { ...context, lookup }), ChildNotOurs);
  }
  const foreign = { ...child(), metadata: { name: 'lake', namespace: 'ns', ownerReferences: [{ ...owner, uid: 'another' }] } };
  kube.store.put({ collection: services, name: 'lake' }, foreign);
  await assert.rejects(
    applyActions([{ kind: 'apply', object: child(), owned: true }], context),
    /Service ns\/lake exists and is not this resource's/,
  );
  assert.deepEqual(writes(kube), []);
  context.client.close();
});

test('Secrets travel in the form that forgets removed keys', async () => {
  await using kube = await startFakeKube();
  const { context } = setUp(kube);
  const object = {
    apiVersion: 'v1',
    kind: 'Secret',
    metadata: { name: 's', namespace: 'ns', ownerReferences: [owner] },
    stringData: { key: 'value' },
  };
  await applyActions([{ kind: 'create', object }], context);
  const stored = kube.store.get({ collection: '/api/v1/namespaces/ns/secrets', name: 's' }) as
    | { data?: object; stringData?: object }
    | undefined;
  assert.deepEqual(stored?.data, { key: Buffer.from('value').toString('base64') });
  assert.equal(stored.stringData, undefined);
  // What must never be overwritten is refused the second time.
  await assert.rejects(applyActions([{ kind: 'create', object }], context), isConflict);
  context.client.close();
});

test('a pod is deleted by its uid, so that old news cannot hit its successor', async () => {
  await using kube = await startFakeKube();
  const { context } = setUp(kube);
  const place = { collection: '/api/v1/namespaces/ns/pods', name: 'pod' };
  const { metadata } = kube.store.put(place, { apiVersion: 'v1', kind: 'Pod', metadata: { name: 'pod', namespace: 'ns' } });
  await applyActions([{ kind: 'delete-pod', name: 'pod', uid: 'its-predecessor' }], context);
  assert.ok(kube.store.get(place) !== undefined);
  await applyActions([{ kind: 'delete-pod', name: 'pod', uid: metadata?.uid ?? '' }], context);
  assert.equal(kube.store.get(place), undefined);
  // And once more: gone is gone.
  await applyActions([{ kind: 'delete-pod', name: 'pod', uid: metadata?.uid ?? '' }], context);
  context.client.close();
});

test('the finalizer comes and goes beside those of others, and status follows over the new version', async () => {
  await using kube = await startFakeKube();
  const { context, cluster } = setUp(kube);
  const place = { collection: clusters, name: 'lake' };
  const resourceVersion = await applyActions([{ kind: 'add-finalizer' }], context);
  assert.deepEqual(kube.store.get(place)?.metadata?.finalizers, ['someone/else', 'openlake.dev/cluster']);
  assert.equal(await writeStatus(context.client, { cluster, resourceVersion, status: { observedGeneration: 1 } }), true);
  assert.equal(await writeStatus(context.client, { cluster, resourceVersion, status: cluster.status }), false);
  // Read before somebody else's change: refused.
  await assert.rejects(writeStatus(context.client, { cluster, resourceVersion, status: { observedGeneration: 2 } }), isConflict);
  context.client.close();
});
