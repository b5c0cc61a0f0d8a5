/** The informer keeps a true copy through everything that ends a watch. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { KubernetesObject } from '@kubernetes/client-node';
import { createClient } from '../../../operator/kube/client.ts';
import { type Informer, startInformer } from '../../../operator/kube/informer.ts';
import { resources } from '../../../operator/kube/resources.ts';
import { eventually } from '../fake-kube/eventually.ts';
import { type FakeKube, startFakeKube } from '../fake-kube/fake-kube.ts';

const collection = '/api/v1/namespaces/ns/pods';

function put(kube: FakeKube, name: string, labels: Record<string, string> = {}): void {
  kube.store.put({ collection, name }, { apiVersion: 'v1', kind: 'Pod', metadata: { name, namespace: 'ns', labels } });
}

type Watched = AsyncDisposable & {
  readonly kube: FakeKube;
  readonly informer: Informer<KubernetesObject>;
  readonly changes: string[];
  readonly errors: string[];
};

async function watch(
  options: { readonly silenceMs?: number; readonly labelSelector?: string; readonly before?: (kube: FakeKube) => void } = {},
): Promise<Watched> {
  const kube = await startFakeKube();
  options.before?.(kube);
  const changes: string[] = [];
  const errors: string[] = [];
  const client = createClient(kube.config);
  const informer = startInformer<KubernetesObject>(client, {
    resource: resources.pods,
    namespace: 'ns',
    labelSelector: options.labelSelector,
    onChange: ({ before, after }) => changes.push(`${before?.metadata?.name ?? '-'} ${after?.metadata?.name ?? '-'}`),
    onError: (error) => errors.push(String(error)),
    firstRetryMs: 5,
    silenceMs: options.silenceMs ?? 60_000,
  });
  const dispose = async (): Promise<void> => {
    const stopped = informer.stop();
    client.close();
    await stopped;
    await kube[Symbol.asyncDispose]();
  };
  await informer.synced;
  return { kube, informer, changes, errors, [Symbol.asyncDispose]: dispose };
}

const names = (informer: Informer<KubernetesObject>): string[] =>
  informer
    .list()
    .map((object) => object.metadata?.name ?? '')
    .toSorted();

test('lists, then follows every change', async () => {
  await using watched = await watch({ before: (kube) => put(kube, 'a') });
  const { kube, informer, changes } = watched;
  assert.deepEqual(names(informer), ['a']);
  assert.equal(informer.get('a')?.kind, 'Pod');
  await eventually(() => kube.watches() === 1);
  put(kube, 'b');
  put(kube, 'a', { changed: 'yes' });
  kube.store.remove({ collection, name: 'b' });
  await eventually(() => changes.length === 4);
  assert.deepEqual(changes, ['- a', '- b', 'a a', 'b -']);
  assert.deepEqual(names(informer), ['a']);
});

test('lists in pages', async () => {
  const count = 1203;
  await using watched = await watch({
    before: (kube) => {
      for (let index = 0; index < count; index += 1) put(kube, `pod-${index}`);
    },
  });
  assert.equal(watched.informer.list().length, count);
  assert.equal(watched.kube.requests.filter((request) => request.includes('limit=')).length, 3);
});

test('sees only what its selector asks for', async () => {
  await using watched = await watch({
    labelSelector: 'app=lake',
    before: (kube) => {
      put(kube, 'other');
      put(kube, 'mine', { app: 'lake' });
    },
  });
  assert.deepEqual(names(watched.informer), ['mine']);
});

test('a watch that the server ends goes on from its last version, without another list', async () => {
  await using watched = await watch({ before: (kube) => put(kube, 'a') });
  const { kube, informer } = watched;
  await eventually(() => kube.watches() === 1);
  kube.endWatches();
  put(kube, 'b');
  await eventually(() => names(informer).includes('b'));
  assert.equal(kube.requests.filter((request) => request.includes('limit=')).length, 1);
  assert.deepEqual(watched.errors, []);
});

test('a version that is too old leads to a new list, which also tells what vanished meanwhile', async () => {
  await using watched = await watch({
    before: (kube) => {
      put(kube, 'a');
      put(kube, 'b');
    },
  });
  const { kube, informer, changes } = watched;
  await eventually(() => kube.watches() === 1);
  kube.silenceWatches();
  kube.store.remove({ collection, name: 'a' });
  kube.store.compacted = kube.store.version;
  kube.endWatches();
  await eventually(() => names(informer).join() === 'b');
  assert.ok(changes.includes('a -'), changes.join());
  assert.equal(kube.requests.filter((request) => request.includes('limit=')).length, 2);
});

test('bookmarks keep a quiet watch from becoming too old', async () => {
  await using watched = await watch();
  const { kube, informer } = watched;
  await eventually(() => kube.watches() === 1);
  kube.store.put(
    { collection: '/api/v1/namespaces/ns/services', name: 's' },
    { apiVersion: 'v1', kind: 'Service', metadata: { name: 's' } },
  );
  kube.bookmark();
  kube.store.compacted = kube.store.version;
  kube.endWatches();
  put(kube, 'a');
  await eventually(() => names(informer).includes('a'));
  assert.equal(kube.requests.filter((request) => request.includes('limit=')).length, 1);
});

test('a connection that went dead is noticed by its silence', async () => {
  await using watched = await watch({ silenceMs: 150 });
  const { kube, informer, errors } = watched;
  await eventually(() => kube.watches() === 1);
  kube.silenceWatches();
  put(kube, 'a');
  await eventually(() => names(informer).includes('a'));
  assert.match(errors[0] ?? '', /nothing arrived for 0.15 s/);
});

test('429 is waited out as long as the server asks, and errors do not stop it', async () => {
  const kube = await startFakeKube();
  kube.fail('GET /api/v1/namespaces/ns/pods', { status: 429, reason: 'TooManyRequests', retryAfterSeconds: 1, times: 1 });
  kube.fail('GET /api/v1/namespaces/ns/pods', { status: 500, reason: 'InternalError', times: 2 });
  const client = createClient(kube.config);
  const errors: string[] = [];
  const startedMs = performance.now();
  const informer = startInformer(client, {
    resource: resources.pods,
    namespace: 'ns',
    onChange: () => undefined,
    onError: (error) => errors.push(String(error)),
    firstRetryMs: 5,
  });
  assert.equal(informer.hasSynced(), false);
  await informer.synced;
  assert.ok(performance.now() - startedMs >= 1000);
  assert.equal(errors.length, 3);
  await informer.stop();
  client.close();
  await kube[Symbol.asyncDispose]();
});
