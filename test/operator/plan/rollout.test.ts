/** The rolling restart: never two members at once, no set below its quorum unasked, whatever happens meanwhile. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { quorums } from '../../../node/layout/quorum.ts';
import { planPass } from '../../../operator/plan/pass.ts';
import type { Snapshot } from '../../../operator/plan/snapshot.ts';
import { answersOf, carryOut, configHashes, NOW_MS, revisionsOf, runningSnapshot, samplePod } from '../sample-snapshot.ts';

type Shape = { readonly nodes: number; readonly drives: number; readonly data: number; readonly parity: number };

function running(shape: Shape): Snapshot {
  return runningSnapshot(({ pool, spec }) => {
    Object.assign(pool, {
      nodes: { count: shape.nodes, gpu: 'Ignore', rdma: 'Ignore' },
      drives: { directories: { parent: '/mnt', names: Array.from({ length: shape.drives }, (_, index) => `d${index}`) } },
      erasure: { setSize: shape.data + shape.parity, parity: shape.parity },
    });
    Object.assign(spec, { update: { minReadySeconds: 30 } });
  }, shape.nodes);
}

function edit(snapshot: Snapshot, change: object, annotations: Record<string, string> = {}): Snapshot {
  const spec = { ...(snapshot.cluster.spec as object), ...change };
  return { ...snapshot, cluster: { ...snapshot.cluster, spec, annotations, generation: 2 } };
}

const deletions = (snapshot: Snapshot): string[] =>
  planPass(snapshot).actions.flatMap((action) => (action.kind === 'delete-pod' ? [action.uid] : []));

const small: Shape = { nodes: 4, drives: 1, data: 2, parity: 2 };
const image = { image: { repository: 'other/node' } };

test('the canary is written to status first, and its pod goes in the next pass', () => {
  const edited = edit(running(small), image);
  const first = planPass(edited);
  assert.deepEqual(deletions(edited), []);
  assert.equal(first.status.rollout?.current, 3);
  assert.equal(first.status.rollout.first, 3);
  assert.equal(first.status.rollout.total, 4);
  const second = carryOut(edited, first);
  assert.deepEqual(deletions(second), ['uid-node-3']);
  // Not carried out, for example killed in between: the same one again.
  assert.deepEqual(deletions(second), ['uid-node-3']);
});

const reason = (snapshot: Snapshot): string | undefined => planPass(snapshot).status.rollout?.blockedReason;

test('each gate that is shut is the reason in status', () => {
  const edited = edit(running(small), image);
  const ready = carryOut(edited, planPass(edited));
  assert.equal(reason(ready), undefined);
  assert.equal(reason({ ...ready, leaseAgeMs: 6_000 }), 'LeaseTooOld');
  const away = answersOf(ready.cluster.status, { away: new Set([0]), nowMs: NOW_MS });
  assert.equal(reason({ ...ready, answers: away }), 'SetsWouldLoseWrites');
  assert.equal(reason({ ...ready, answers: new Map() }), 'ViewsDisagree');
  const target = revisionsOf(planPass(ready))['p0'] ?? '';
  const unready = ready.pods.map((pod) =>
    pod.nodeName === 'node-1' ? { ...pod, ready: false, readySinceMs: undefined, revision: target } : pod,
  );
  assert.equal(reason({ ...ready, pods: unready }), 'PreviousNotBack');
  const recent = ready.pods.map((pod) => (pod.nodeName === 'node-1' ? { ...pod, readySinceMs: NOW_MS - 29_000 } : pod));
  assert.equal(reason({ ...ready, pods: recent }), 'PreviousNotBack');
  assert.deepEqual(deletions({ ...ready, pods: recent }), []);
  const paused = planPass(edit(ready, { ...image, paused: true }));
  assert.deepEqual(paused.actions, []);
});

test('the member in flight must be whole and ready for a while, the canary twice as long', () => {
  const edited = edit(running(small), image);
  let snapshot = carryOut(edited, planPass(edited));
  const pass = planPass(snapshot);
  const revision = revisionsOf(pass)['p0'] ?? '';
  snapshot = carryOut(snapshot, pass);
  assert.deepEqual(deletions(snapshot), []);
  const back = (readyForMs: number): Snapshot => ({
    ...snapshot,
    pods: [...snapshot.pods, samplePod('node-3', { uid: 'new', revision, readySinceMs: NOW_MS - readyForMs })],
  });
  assert.equal(planPass(back(59_000)).status.rollout?.blockedReason, 'PreviousNotBack');
  const next = planPass(back(60_000));
  assert.equal(next.status.rollout?.current, 2);
  assert.equal(next.status.rollout.done, 1);
});

test('past the deadline the rollout is Stalled, and no second member is touched', () => {
  const edited = edit(running(small), image);
  let snapshot = carryOut(edited, planPass(edited));
  const pass = planPass(snapshot);
  snapshot = carryOut(snapshot, pass);
  const broken = samplePod('node-3', {
    uid: 'new',
    revision: revisionsOf(pass)['p0'] ?? '',
    ready: false,
    readySinceMs: undefined,
    idle: true,
    trouble: 'ImagePullBackOff',
  });
  const late: Snapshot = { ...snapshot, pods: [...snapshot.pods, broken], nowMs: NOW_MS + 901_000 };
  const stuck = planPass({ ...late, answers: answersOf(late.cluster.status, { away: new Set([3]), nowMs: late.nowMs }) });
  const stalled = stuck.status.conditions?.find((condition) => condition.type === 'Stalled');
  assert.equal(`${stalled?.status} ${stalled?.reason}`, 'True RolloutStuck');
  assert.match(stalled?.message ?? '', /member 3 \(node-3\).*ImagePullBackOff/);
  assert.deepEqual(
    stuck.actions.filter((action) => action.kind === 'delete-pod'),
    [],
  );
  // The next image heals it: the broken pod has nothing to lose and goes at once, and only it.
  let healed = edit(
    { ...late, answers: answersOf(late.cluster.status, { away: new Set([3]), nowMs: late.nowMs }) },
    { image: { repository: 'third/node' } },
  );
  healed = carryOut(healed, planPass(healed));
  assert.deepEqual(deletions(healed), ['new']);
});

test('a layout that cannot spare a node waits for approval of this very rollout', () => {
  const edited = edit(running({ nodes: 2, drives: 1, data: 1, parity: 1 }), image);
  const waiting = planPass(edited);
  assert.equal(waiting.status.rollout?.blockedReason, 'LayoutCannotSpareNode');
  const safe = waiting.status.conditions?.find((condition) => condition.type === 'UpgradeSafe');
  assert.equal(`${safe?.status} ${safe?.reason}`, 'False LayoutCannotSpareNode');
  assert.match(safe?.message ?? '', new RegExp(`approve-rollout=${waiting.status.rollout.id}`));
  const approve = { 'openlake.dev/approve-rollout': waiting.status.rollout.id };
  const approved = edit(carryOut(edited, waiting), image, approve);
  assert.deepEqual(deletions(carryOut(approved, planPass(approved))), ['uid-node-1']);
  const other = edit(carryOut(edited, waiting), image, { 'openlake.dev/approve-rollout': 'another' });
  assert.equal(planPass(other).status.rollout?.blockedReason, 'LayoutCannotSpareNode');
});

test('a set with nothing to spare on W slots restarts once all of it is whole, and waits while it heals', () => {
  const edited = edit(running({ nodes: 4, drives: 2, data: 5, parity: 3 }), image);
  const ready = carryOut(edited, planPass(edited));
  const healing = { ...ready, answers: answersOf(ready.cluster.status, { away: new Set(), healing: new Set([1]), nowMs: NOW_MS }) };
  assert.equal(reason(healing), 'TooFewSpareShards');
  assert.match(
    planPass(healing).status.rollout?.blockedMessage ?? '',
    /a version may have 6 shards, 2 of them on node-3, and needs 5 \(slot \d is Healing; slot \d is Healing\)/,
  );
  const whole = { ...ready, answers: answersOf(ready.cluster.status, { away: new Set(), nowMs: NOW_MS }) };
  assert.deepEqual(deletions(whole), ['uid-node-3']);
});

test('by approval only: each rollout waits for its own', () => {
  const edited = edit(running(small), { ...image, update: { type: 'OnApproval', minReadySeconds: 0 } });
  const waiting = planPass(edited);
  assert.equal(waiting.status.rollout?.blockedReason, 'WaitingForApproval');
  const approved = planPass({
    ...edited,
    cluster: { ...edited.cluster, annotations: { 'openlake.dev/approve-rollout': waiting.status.rollout.id } },
  });
  assert.equal(approved.status.rollout?.current, 3);
});

test('a change that nodes take live restarts nobody', () => {
  const snapshot = running(small);
  for (const change of [{ service: { type: 'NodePort' } }, { disruption: { guard: false } }, { update: { minReadySeconds: 5 } }]) {
    assert.equal(planPass(edit(snapshot, change)).status.rollout, undefined, JSON.stringify(change));
  }
  for (const change of [
    { io: { memory: '1Gi' } },
    { io: { cores: 2 } },
    { pod: { env: [{ name: 'A', value: 'b' }] } },
    { version: '0.2.0' },
  ]) {
    assert.equal(planPass(edit(snapshot, change)).status.rollout?.total, 4, JSON.stringify(change));
  }
});

const shapes: readonly Shape[] = [
  small,
  { nodes: 4, drives: 1, data: 3, parity: 1 },
  { nodes: 3, drives: 2, data: 3, parity: 3 },
  { nodes: 6, drives: 1, data: 4, parity: 2 },
  { nodes: 4, drives: 2, data: 4, parity: 4 },
  { nodes: 8, drives: 2, data: 12, parity: 4 },
  // Nothing to spare on W slots: only what is whole can lose a node.
  { nodes: 4, drives: 2, data: 5, parity: 3 },
];

/** One step of the world: a member falls, returns, becomes ready, heals what it missed; time passes; the operator makes a pass or is killed in one. */
const anyStep = fc.oneof(
  { weight: 6, arbitrary: fc.constant({ kind: 'pass' } as const) },
  { weight: 2, arbitrary: fc.constant({ kind: 'half pass' } as const) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('time' as const), seconds: fc.integer({ min: 1, max: 120 }) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('crash' as const), member: fc.nat(7) }) },
  { weight: 6, arbitrary: fc.constant({ kind: 'return' } as const) },
  { weight: 4, arbitrary: fc.constant({ kind: 'heal' } as const) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('image' as const), tag: fc.nat(3) }) },
);

test('in any world: one deletion a pass, never a second member, no set below its quorum by our doing', () => {
  let restarts = 0;
  fc.assert(
    fc.property(fc.constantFrom(...shapes), fc.array(anyStep, { minLength: 20, maxLength: 80 }), (shape, steps) => {
      let snapshot = running(shape);
      const away = new Set<number>();
      const healing = new Set<number>();
      const sync = (): void => {
        snapshot = {
          ...snapshot,
          answers: answersOf(snapshot.cluster.status, {
            away,
            healing,
            nowMs: snapshot.nowMs,
            hashes: configHashes(planPass(snapshot).actions),
          }),
        };
      };
      for (const step of steps) {
        switch (step.kind) {
          case 'time':
            snapshot = { ...snapshot, nowMs: snapshot.nowMs + step.seconds * 1000 };
            break;
          case 'crash': {
            const id = step.member % shape.nodes;
            away.add(id);
            healing.add(id);
            snapshot = {
              ...snapshot,
              pods: snapshot.pods.map((pod) => (pod.nodeName === `node-${id}` ? { ...pod, ready: false, readySinceMs: undefined } : pod)),
            };
            break;
          }
          case 'return': {
            const revision = revisionsOf(planPass(snapshot))['p0'] ?? '';
            const pods = Array.from({ length: shape.nodes }, (_, id) => {
              const old = snapshot.pods.find((pod) => pod.nodeName === `node-${id}`);
              const born = old ?? samplePod(`node-${id}`, { uid: `${snapshot.nowMs}-${id}`, revision, ready: false });
              return born.ready ? born : { ...born, ready: true, readySinceMs: snapshot.nowMs };
            });
            away.clear();
            snapshot = { ...snapshot, pods };
            break;
          }
          case 'heal':
            for (const id of healing) if (!away.has(id)) healing.delete(id);
            break;
          case 'image':
            snapshot = edit(snapshot, { image: { repository: `image-${step.tag}` } });
            break;
          case 'pass':
          case 'half pass': {
            sync();
            const pass = planPass(snapshot);
            const deleted = pass.actions.flatMap((action) => (action.kind === 'delete-pod' ? [action.uid] : []));
            assert.ok(deleted.length <= 1);
            const pod = snapshot.pods.find((candidate) => candidate.uid === deleted[0]);
            if (pod !== undefined) {
              restarts += 1;
              const target = Number(pod.nodeName.slice(5));
              const others = snapshot.pods.filter((other) => other.uid !== pod.uid);
              assert.equal(others.filter((other) => other.ready).length, shape.nodes - 1, 'somebody else is away too');
              // A member that takes part in nothing takes nothing away.
              for (const set of away.has(target) ? [] : (snapshot.cluster.status.layout?.sets ?? [])) {
                const left = set.slots.filter(
                  (slot) => !away.has(Number(slot.split('/')[0])) && Number(slot.split('/')[0]) !== target,
                ).length;
                assert.ok(left >= quorums(set).write, `set ${set.id} keeps ${left}`);
                const fewest = away.size + healing.size === 0 ? set.slots.length : quorums(set).write;
                assert.ok(fewest - set.slots.filter((slot) => Number(slot.split('/')[0]) === target).length >= set.data);
              }
              away.add(target);
              healing.add(target);
            }
            // Killed before the status was written: the actions are done all the same.
            const before = snapshot.cluster;
            snapshot = carryOut(snapshot, pass);
            if (step.kind === 'half pass') snapshot = { ...snapshot, cluster: { ...snapshot.cluster, status: before.status } };
            break;
          }
        }
      }
    }),
    { numRuns: 300 },
  );
  assert.ok(restarts > 20, `only ${restarts} restarts were tried`);
});
