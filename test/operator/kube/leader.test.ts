/** The Lease: never two holders, quick handover, an end when it cannot be renewed. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import type { V1Lease } from '@kubernetes/client-node';
import { createClient } from '../../../operator/kube/client.ts';
import { type Leadership, microTime, startElection } from '../../../operator/kube/leader.ts';
import { eventually } from '../fake-kube/eventually.ts';
import { type FakeKube, startFakeKube } from '../fake-kube/fake-kube.ts';

const times = { durationMs: 600, deadlineMs: 400, periodMs: 50 };
const place = { collection: '/apis/coordination.k8s.io/v1/namespaces/ns/leases', name: 'operator' };

function elect(kube: FakeKube, identity: string): Leadership {
  return startElection(createClient(kube.config), { name: 'operator', namespace: 'ns', identity, onError: () => undefined, ...times });
}

const holder = (kube: FakeKube): string | undefined => (kube.store.get(place) as V1Lease | undefined)?.spec?.holderIdentity;

test('one of two leads; when it lets go the other takes over at once', async () => {
  await using kube = await startFakeKube();
  const first = elect(kube, 'a');
  await first.acquired;
  const second = elect(kube, 'b');
  await sleep(300);
  assert.ok(first.isLeader() && !second.isLeader());
  assert.ok(first.renewedMsAgo() < times.deadlineMs);
  assert.equal(second.renewedMsAgo(), Number.POSITIVE_INFINITY);
  const startedMs = performance.now();
  await first.release();
  await second.acquired;
  assert.ok(performance.now() - startedMs < times.durationMs, 'had to wait for the Lease to run out');
  assert.ok(!first.isLeader());
  assert.equal(holder(kube), 'b');
  assert.equal((kube.store.get(place) as V1Lease).spec?.leaseTransitions, 1);
  await second.release();
});

test('a holder that vanished is followed after the duration, by the clock of who waits', async () => {
  await using kube = await startFakeKube();
  // Renewed "in the future": only that it does not change counts.
  const renewTime = '2099-01-01T00:00:00.000000Z';
  kube.store.put(place, {
    apiVersion: 'coordination.k8s.io/v1',
    kind: 'Lease',
    metadata: { name: 'operator' },
    spec: { holderIdentity: 'gone', renewTime },
  });
  const startedMs = performance.now();
  const next = elect(kube, 'b');
  await next.acquired;
  assert.ok(performance.now() - startedMs >= times.durationMs);
  await next.release();
});

test('a holder that cannot renew has lost before another can take it', async () => {
  await using kube = await startFakeKube();
  const first = elect(kube, 'a');
  await first.acquired;
  kube.fail('/leases/operator', { status: 500, reason: 'InternalError', times: 1_000_000 });
  const startedMs = performance.now();
  await first.lost;
  assert.ok(performance.now() - startedMs < times.durationMs);
  assert.equal(first.isLeader(), false);
});

test('of many that try at once one gets it', async () => {
  await using kube = await startFakeKube();
  const all = ['a', 'b', 'c', 'd', 'e'].map((identity) => elect(kube, identity));
  await Promise.race(all.map((leadership) => leadership.acquired));
  await sleep(300);
  assert.deepEqual(all.filter((leadership) => leadership.isLeader()).length, 1);
  await Promise.all(all.map((leadership) => leadership.release()));
});

test('a Lease that somebody else took is lost', async () => {
  await using kube = await startFakeKube();
  const first = elect(kube, 'a');
  await first.acquired;
  const lease = kube.store.get(place) as V1Lease;
  kube.store.put(place, { ...lease, spec: { ...lease.spec, holderIdentity: 'thief' } });
  await eventually(() => !first.isLeader());
  await first.lost;
});

test('times have six digits of a second', () => {
  assert.equal(microTime(Date.UTC(2026, 0, 2, 3, 4, 5, 678)), '2026-01-02T03:04:05.678000Z');
});
