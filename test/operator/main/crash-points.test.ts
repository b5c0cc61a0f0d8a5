/**
 * The operator killed after each single write of a cluster's life, from creation to deletion and adoption: the next one,
 * which knows nothing but what was written, comes to the same end.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { eventually } from '../fake-kube/eventually.ts';
import { type FakeKube, startFakeKube } from '../fake-kube/fake-kube.ts';
import { children, createResource, EXPECTED, isDone, place, startOperator, status } from './running-operator.ts';

const secrets = '/api/v1/namespaces/ns/secrets';
const MAXIMUM_WRITES = 100;

/** What a user does: creates, deletes when it is there, creates again with adopt when it is gone. Returns the cluster's ids. */
async function live(kube: FakeKube): Promise<string[]> {
  createResource(kube);
  await eventually(() => isDone(kube) && status(kube)?.clusterId !== undefined);
  const before = status(kube);
  kube.store.remove(place);
  await eventually(() => kube.store.get(place) === undefined);
  assert.deepEqual(children(kube).toSorted(), ['Secret sample-identity', 'Secret sample-root']);
  createResource(kube, { adopt: before?.clusterId });
  await eventually(() => isDone(kube));
  const after = status(kube);
  assert.deepEqual(children(kube).toSorted(), EXPECTED.toSorted());
  assert.deepEqual(kube.store.get(place)?.metadata?.finalizers, ['openlake.dev/cluster']);
  assert.deepEqual(after?.layout, before?.layout);
  const places = (members: typeof before): unknown => members?.members?.map(({ id, nodeName }) => [id, nodeName]);
  assert.deepEqual(places(after), places(before));
  const { data } = kube.store.get({ collection: secrets, name: 'sample-identity' }) as { data: Record<string, string> };
  return [before?.clusterId ?? '', after?.clusterId ?? '', Buffer.from(data['clusterId'] ?? '', 'base64').toString()];
}

test('whichever write was the last one of an operator, the next one goes on from there', async () => {
  let points = 0;
  for (let cut = 1; cut <= MAXIMUM_WRITES; cut += 1) {
    await using kube = await startFakeKube();
    kube.cutAfter(cut);
    let isOver = false;
    const first = startOperator(kube);
    const killing = (async () => {
      await eventually(() => kube.isCut() || isOver);
      if (!kube.isCut()) return undefined;
      await first[Symbol.asyncDispose]();
      kube.mend();
      return startOperator(kube);
    })();
    const ids = await live(kube);
    isOver = true;
    const second = await killing;
    await (second ?? first)[Symbol.asyncDispose]();
    assert.equal(new Set(ids).size, 1, `cut after ${cut} writes: ids ${ids.join(', ')}`);
    if (second === undefined) break;
    points += 1;
  }
  assert.ok(points > 15 && points < MAXIMUM_WRITES, `${points} writes were tried`);
});
