/** A pass: decided once, recorded, read back, then acted on. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ConditionType } from '../../../operator/api/reasons.ts';
import type { ClusterStatus } from '../../../operator/api/status.ts';
import type { Action, Pass } from '../../../operator/plan/actions.ts';
import { planPass } from '../../../operator/plan/pass.ts';
import type { Snapshot } from '../../../operator/plan/snapshot.ts';
import { answersOf, carryOut, configHashes, freshSnapshot, NOW_MS, runningSnapshot, sampleNodes, secretNames } from '../sample-snapshot.ts';

const kinds = (pass: Pass): string[] =>
  pass.actions.map((action: Action) =>
    action.kind === 'apply' || action.kind === 'create'
      ? `${action.kind} ${action.object.kind} ${action.object.metadata?.name}`
      : action.kind,
  );

function condition(status: ClusterStatus, type: ConditionType): string {
  const found = status.conditions?.find((candidate) => candidate.type === type);
  return `${found?.status} ${found?.reason}`;
}

const message = (status: ClusterStatus, type: ConditionType): string =>
  status.conditions?.find((candidate) => candidate.type === type)?.message ?? '';

function withSpec(snapshot: Snapshot, change: (spec: Record<string, unknown>) => void): Snapshot {
  const spec = structuredClone(snapshot.cluster.spec) as Record<string, unknown>;
  change(spec);
  return { ...snapshot, cluster: { ...snapshot.cluster, spec, generation: snapshot.cluster.generation + 1 } };
}

test('secrets come first, then members in status, and only when they were read back the children', () => {
  let snapshot = freshSnapshot();
  const first = planPass(snapshot);
  assert.deepEqual(kinds(first), ['add-finalizer', 'create Secret sample-identity', 'create Secret sample-root']);
  assert.equal(first.status.members, undefined);
  snapshot = carryOut(snapshot, first);

  const second = planPass(snapshot);
  assert.deepEqual(kinds(second), []);
  assert.equal(second.status.clusterId, 'c'.repeat(32));
  assert.deepEqual(
    second.status.members?.map((member) => member.nodeName),
    ['node-0', 'node-1', 'node-2', 'node-3'],
  );
  // Not recorded: decided anew, and the same.
  assert.deepEqual(planPass(snapshot).status, second.status);
  snapshot = carryOut(snapshot, second);

  const third = planPass(snapshot);
  assert.deepEqual(kinds(third), [
    'apply Secret sample-identity',
    'apply Secret sample-config',
    'apply ServiceAccount sample-node',
    'apply Service sample-nodes',
    'apply Service sample',
    'apply DaemonSet sample-p0',
    'apply Deployment sample-guard',
    'apply PodDisruptionBudget sample-guard',
  ]);
  assert.equal(condition(third.status, 'Ready'), 'False Bootstrapping');
  assert.equal(condition(third.status, 'Reconciling'), 'True Progressing');
});

test('a cluster in service is Ready by all rules, and its status stands still', () => {
  const snapshot = runningSnapshot();
  const pass = planPass(snapshot);
  assert.equal(pass.status.bootstrapped, true);
  assert.deepEqual(
    (['Ready', 'Reconciling', 'Stalled', 'Degraded'] as const).map((type) => condition(pass.status, type)),
    ['True Serving', 'False UpToDate', 'False NotStalled', 'False AllHealthy'],
  );
  assert.equal(pass.status.observedGeneration, 1);
  assert.equal(pass.status.phase, 'Ready');
  assert.equal(pass.status.membersReady, '4/4');
  assert.equal(pass.status.setsHealthy, '1/1');
  const later = { ...snapshot, nowMs: NOW_MS + 3_600_000 };
  const again = planPass({
    ...later,
    answers: answersOf(snapshot.cluster.status, { away: new Set(), nowMs: later.nowMs, hashes: configHashes(pass.actions) }),
  });
  assert.deepEqual(again.status, planPass(snapshot).status);
  assert.deepEqual(again.events, []);
});

test('a lost member makes its set Degraded, with the reason; the latch stays', () => {
  const snapshot = runningSnapshot();
  const answers = answersOf(snapshot.cluster.status, {
    away: new Set([2]),
    nowMs: NOW_MS,
    hashes: configHashes(planPass(snapshot).actions),
  });
  const { status, events } = planPass({ ...snapshot, answers });
  assert.equal(condition(status, 'Ready'), 'True Serving');
  assert.equal(condition(status, 'Degraded'), 'True SetsDegraded');
  assert.match(message(status, 'Degraded'), /set 0 is Degraded \(3 of 4 vote\): slot \d \(node 2, drive 0\) is Unreachable/);
  assert.deepEqual(
    status.sets?.map(({ id, state, voting }) => ({ id, state, voting })),
    [{ id: 0, state: 'Degraded', voting: 3 }],
  );
  assert.equal(status.members?.[2]?.state, 'Unreachable');
  assert.equal(status.phase, 'Degraded');
  assert.ok(events.some((event) => event.reason === 'SetsDegraded'));
  const two = planPass({ ...snapshot, answers: answersOf(snapshot.cluster.status, { away: new Set([1, 2]), nowMs: NOW_MS }) }).status;
  assert.equal(condition(two, 'Ready'), 'False SetsUnavailable');
  assert.equal(two.writable, false);
  assert.equal(two.bootstrapped, true);
});

test('too few nodes: each is named with its reason, and nothing is made but the secrets', () => {
  let snapshot = freshSnapshot(({ pool }) => Object.assign(pool, { nodes: { count: 4, gpu: 'Require', rdma: 'Ignore' } }));
  snapshot = carryOut(snapshot, planPass(snapshot));
  const pass = planPass(snapshot);
  assert.deepEqual(kinds(pass), []);
  assert.equal(condition(pass.status, 'NodesEligible'), 'False NodesNotEligible');
  assert.equal(condition(pass.status, 'Reconciling'), 'True NodesNotEligible');
  assert.equal(pass.status.candidates?.length, 4);
  assert.match(pass.status.candidates?.[0]?.reason ?? '', /^has no GPU/);
  assert.equal(pass.status.members, undefined);
});

test('an invalid resource is Stalled, and what runs goes on', () => {
  const running = runningSnapshot();
  const pass = planPass(withSpec(running, (spec) => Object.assign(spec, { network: { s3Port: 9001 } })));
  assert.deepEqual(kinds(pass), []);
  assert.equal(condition(pass.status, 'SpecValid'), 'False Invalid');
  assert.equal(condition(pass.status, 'Stalled'), 'True Invalid');
  assert.match(message(pass.status, 'Stalled'), /three different ports/);
  assert.equal(pass.status.members?.length, 4);
  assert.equal(pass.status.observedGeneration, 2);
});

test('nothing is written while the resource is paused', () => {
  const pass = planPass(withSpec(runningSnapshot(), (spec) => Object.assign(spec, { paused: true, io: { memory: '1Gi' } })));
  assert.deepEqual(kinds(pass), []);
  assert.equal(condition(pass.status, 'Reconciling'), 'False Paused');
  const fresh = planPass(freshSnapshot(({ spec }) => Object.assign(spec, { paused: true })));
  assert.deepEqual(kinds(fresh), []);
  assert.ok(fresh.requeueAfterMs > 0);
});

test('a lost label moves nothing and is told', () => {
  const snapshot = runningSnapshot(({ pool }) => Object.assign(pool, { nodes: { count: 4, gpu: 'Ignore', rdma: 'Ignore' } }));
  const labelled = withSpec(snapshot, (spec) => {
    const [pool] = spec['pools'] as { nodes: object }[];
    Object.assign(pool?.nodes ?? {}, { selector: { matchLabels: { tier: 'storage' } } });
  });
  const pass = planPass(labelled);
  assert.deepEqual(pass.status.members, planPass(snapshot).status.members);
  assert.equal(condition(pass.status, 'MembershipStable'), 'False LabelsLost');
  assert.ok(!kinds(pass).includes('delete-pod'));
  const gone = planPass({ ...snapshot, nodes: sampleNodes(3) });
  assert.equal(condition(gone.status, 'MembershipStable'), 'False NodeGone');
  assert.equal(gone.status.members?.length, 4);
});

test('a rotated Secret changes the configuration only; a missing or bad one keeps the last', () => {
  const named = runningSnapshot(({ spec }) => Object.assign(spec, { credentials: { root: [{ secretRef: { name: 'keys' } }] } }));
  assert.equal(condition(planPass(named).status, 'CredentialsValid'), 'False SecretMissing');
  assert.equal(condition(planPass(named).status, 'Stalled'), 'True SecretMissing');
  const keys = (secretKey: string): Snapshot => ({
    ...named,
    secrets: [...named.secrets, { name: 'keys', labels: {}, data: { accessKey: 'AKIANEW', secretKey } }],
  });
  const short = planPass(keys('short'));
  assert.equal(condition(short.status, 'CredentialsValid'), 'False SecretInvalid');
  assert.match(message(short.status, 'CredentialsValid'), /^Secret ns\/keys: key secretKey is not 8 to 128 printable/);
  assert.match(message(planPass(keys('with-a-line-break\n')).status, 'CredentialsValid'), /it ends with a line break$/);
  assert.deepEqual(kinds(short), []);
  const good = planPass(keys('a-good-secret-key'));
  assert.equal(condition(good.status, 'CredentialsValid'), 'True CredentialsFound');
});

test('nodes that do not use the newest configuration yet are named', () => {
  const snapshot = runningSnapshot();
  const secrets = snapshot.secrets.map((secret) =>
    secret.name === secretNames.root ? { ...secret, data: { ...secret.data, secretKey: 'another-secret-key' } } : secret,
  );
  const { status } = planPass({ ...snapshot, secrets });
  assert.equal(condition(status, 'ConfigApplied'), 'False ConfigPending');
  assert.equal(condition(status, 'Reconciling'), 'True Progressing');
  assert.equal(condition(status, 'Ready'), 'True Serving');
});

test('deletion removes what makes pods, waits for the pods, then lets go; Secrets with data stay', () => {
  const running = runningSnapshot();
  const children = ['DaemonSet', 'Deployment', 'Service', 'Secret'].map((kind) => ({ kind, name: `sample-${kind}`, uid: kind }));
  const deleting: Snapshot = { ...running, children, cluster: { ...running.cluster, deleting: true } };
  assert.deepEqual(kinds(planPass(deleting)), ['delete-child', 'delete-child']);
  const waiting = planPass({ ...deleting, children: children.slice(2) });
  assert.deepEqual(kinds(waiting), []);
  assert.match(message(waiting.status, 'Reconciling'), /waiting for pods to end: pod-node-0/);
  // A pod that its kubelet can never end does not hold up the rest.
  const lost = running.pods.map((pod) => ({ ...pod, deletedAtMs: NOW_MS - 120_000 }));
  const last = planPass({ ...deleting, children: children.slice(2), pods: lost });
  assert.deepEqual(kinds(last), ['delete-child', 'delete-child', 'remove-finalizer']);
  assert.match(last.events[0]?.message ?? '', /adopt: c{32}/);
});

/** Who is which member. */
const places = (status: ClusterStatus): unknown => status.members?.map(({ id, nodeName }) => [id, nodeName]);

test('a new resource over old drives must adopt them, and gets members and layout back', () => {
  const running = runningSnapshot();
  const identity = running.secrets.filter((secret) => secret.name === secretNames.identity);
  const next = freshSnapshot();
  const renewed: Snapshot = { ...next, secrets: identity, cluster: { ...next.cluster, uid: 'uid-2' } };
  const refused = planPass(renewed);
  assert.equal(condition(refused.status, 'SpecValid'), 'False DrivesHoldData');
  assert.deepEqual(kinds(refused), ['add-finalizer']);
  assert.match(message(refused.status, 'SpecValid'), /set spec.adopt to c{32}/);

  const nodes = [...sampleNodes(6)].toReversed();
  let adopting: Snapshot = { ...withSpec(renewed, (spec) => Object.assign(spec, { adopt: 'c'.repeat(32) })), nodes };
  adopting = carryOut(adopting, planPass(adopting));
  const recorded = planPass(adopting);
  assert.deepEqual(places(recorded.status), places(running.cluster.status));
  assert.deepEqual(recorded.status.layout, running.cluster.status.layout);
  const third = planPass(carryOut(adopting, recorded));
  assert.ok(kinds(third).includes('apply DaemonSet sample-p0'));
  const text = JSON.stringify(third.actions);
  assert.match(text, /bootstrap = false/);

  const rival = planPass({ ...adopting, others: [{ name: 'old', namespace: 'ns', clusterId: 'c'.repeat(32) }] });
  assert.equal(condition(rival.status, 'SpecValid'), 'False AdoptInUse');
});

test('a resource of which no pod ever ran leaves nothing to adopt: the corrected one begins where it ended', () => {
  let snapshot = freshSnapshot(({ pool }) => Object.assign(pool, { nodes: { count: 4, gpu: 'Require' } }));
  snapshot = carryOut(snapshot, planPass(snapshot));
  assert.equal(condition(planPass(snapshot).status, 'NodesEligible'), 'False NodesNotEligible');
  const next = freshSnapshot();
  let renewed: Snapshot = { ...next, secrets: snapshot.secrets, cluster: { ...next.cluster, uid: 'uid-2' } };
  for (let turn = 0; turn < 2; turn += 1) renewed = carryOut(renewed, planPass(renewed));
  const pass = planPass(renewed);
  assert.ok(kinds(pass).includes('apply DaemonSet sample-p0'), kinds(pass).join(', '));
  assert.equal(carryOut(renewed, pass).secrets.find(({ name }) => name === secretNames.identity)?.data['ownerUid'], 'uid-2');
});

test('a Secret of ours that was removed comes back with what the nodes were told', () => {
  const running = runningSnapshot();
  const told = {
    peerSecrets: ['ef'.repeat(32)],
    adminToken: 'told-token',
    credentials: [{ accessKey: 'AKIATOLD', secretKey: 'told-secret-key' }],
  };
  const pass = planPass({ ...running, secrets: [], told });
  assert.deepEqual(kinds(pass), ['create Secret sample-identity', 'create Secret sample-root']);
  const { secrets } = carryOut({ ...running, secrets: [] }, pass);
  assert.deepEqual(
    secrets.map(({ data }) => [data['clusterId'] ?? data['accessKey'], data['peerSecret'] ?? data['secretKey'], data['adminToken']]),
    [
      ['c'.repeat(32), 'ef'.repeat(32), 'told-token'],
      ['AKIATOLD', 'told-secret-key', undefined],
    ],
  );
});

test('nodes of a cluster to adopt that another cluster holds by now are named, and nothing starts', () => {
  const running = runningSnapshot();
  const identity = running.secrets.filter((secret) => secret.name === secretNames.identity);
  const next = freshSnapshot(({ spec }) => Object.assign(spec, { adopt: 'c'.repeat(32) }));
  const nodes = sampleNodes(4).map((node) =>
    node.name === 'node-2' ? { ...node, holder: 'ns/new', unfit: 'is a member of cluster ns/new' } : node,
  );
  let snapshot: Snapshot = { ...next, nodes, secrets: identity, cluster: { ...next.cluster, uid: 'uid-2' } };
  snapshot = carryOut(snapshot, planPass(snapshot));
  const pass = planPass(snapshot);
  assert.deepEqual(kinds(pass), []);
  assert.equal(message(pass.status, 'NodesEligible'), 'node-2 was member 2, and is a member of cluster ns/new now');
  assert.equal(pass.status.members, undefined);
});

test('a layout that cannot spare a node says so from the first day', () => {
  const pass = planPass(
    runningSnapshot(({ pool }) => {
      Object.assign(pool, { drives: { directories: { parent: '/mnt', names: ['d0', 'd1'] } }, erasure: { setSize: 8, parity: 2 } });
    }),
  );
  assert.equal(condition(pass.status, 'UpgradeSafe'), 'False LayoutCannotSpareNode');
  assert.match(message(pass.status, 'UpgradeSafe'), /pool p0 \(6\+2, 2 of a set's slots on one node\): writes stop while one node is away/);
  assert.equal(condition(pass.status, 'Ready'), 'True Serving');
  const chosen = planPass(
    runningSnapshot(({ pool }) => {
      Object.assign(pool, { drives: { directories: { parent: '/mnt', names: ['d0', 'd1'] } } });
      delete pool['erasure'];
    }),
  );
  assert.equal(condition(chosen.status, 'UpgradeSafe'), 'True Safe');
});

test('pools that come are not used yet, pools that go keep running', () => {
  const running = runningSnapshot();
  const more = planPass(
    withSpec(running, (spec) => {
      const pools = spec['pools'] as object[];
      pools.push({ ...pools[0], name: 'p1' });
    }),
  );
  assert.equal(condition(more.status, 'SpecValid'), 'False ExpansionNotSupported');
  assert.ok(kinds(more).includes('apply DaemonSet sample-p0') && !kinds(more).includes('apply DaemonSet sample-p1'));
  const gone = planPass(withSpec(running, (spec) => Object.assign((spec['pools'] as { name: string }[])[0] ?? {}, { name: 'p9' })));
  assert.equal(condition(gone.status, 'SpecValid'), 'False PoolNotDrained');
  assert.deepEqual(kinds(gone), []);
});
