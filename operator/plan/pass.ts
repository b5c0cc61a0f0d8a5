/**
 * One pass: from a snapshot to what to do and what to say. Pure.
 *
 * Order: deletion, finalizer, validation, identity, credentials, membership and layout, children, one restart, status. What
 * must not be decided twice (members, layout, who is restarted) is written to status in one pass and acted on in the next,
 * when it was read back.
 */
import { describeProblem } from '../../node/config/check.ts';
import { APPROVE_ROLLOUT, FINALIZER, REVISION } from '../api/annotations.ts';
import { GROUP, KIND, type OpenLakeCluster, VERSION } from '../api/cluster.ts';
import type { LayoutStatus, MemberStatus } from '../api/status.ts';
import { validateCluster } from '../api/validate.ts';
import type { Children } from '../desired/desired.ts';
import type { PeerTlsSettings } from '../desired/peer-tls.ts';
import type { Action, Pass, PlannedEvent } from './actions.ts';
import { certificateEnd, planCertificates } from './certificates.ts';
import { judgeConfig, judgeLinks, judgeMembership, judgePools, judgeTaken, sumOfHashes } from './checks.ts';
import { childActions } from './children.ts';
import { no, yes } from './conditions.ts';
import { planCredentials } from './credentials.ts';
import { planDeletion } from './deletion.ts';
import { compareStatus } from './events.ts';
import { type Identity, identitySecret, planIdentity } from './identity.ts';
import { gatherMembers } from './members.ts';
import { planPeerTls } from './peer-tls.ts';
import { plan } from './plan.ts';
import { chooseRdma } from './rdma.ts';
import { planRollout } from './rollout.ts';
import { isBootstrapped, mergeSetViews, type SetHealth } from './sets.ts';
import type { Snapshot } from './snapshot.ts';
import { buildStatus, type Problems, type StatusInput } from './status.ts';

/** How often health is looked at while nothing changes, and while something does. */
const STEADY_MS = 5_000;
const BUSY_MS = 1_000;

/** What has been found out so far in a pass; each step adds to it. */
type Draft = {
  readonly actions: Action[];
  readonly events: PlannedEvent[];
  problems: Problems;
  status: Omit<StatusInput, 'problems'>;
  requeueAfterMs: number;
};

/** The pass for a snapshot; `failure` is what kept the last one from being carried out. */
export function planPass(snapshot: Snapshot, failure?: Pick<Problems, 'stalled' | 'progress'>): Pass {
  const draft = begin(snapshot);
  runSteps(draft, snapshot);
  if (failure !== undefined) draft.problems = { ...draft.problems, ...failure };
  const status = buildStatus({ ...draft.status, problems: draft.problems });
  const paused = draft.status.spec?.paused === true && !snapshot.cluster.deleting;
  return {
    actions: paused ? [] : draft.actions,
    status,
    events: [...(paused ? [] : draft.events), ...compareStatus(snapshot.cluster.status, status)],
    requeueAfterMs: paused ? STEADY_MS : draft.requeueAfterMs,
  };
}

/** What status recorded, and the health that follows from it, before anything is decided. */
function begin(snapshot: Snapshot): Draft {
  const { cluster, nowMs } = snapshot;
  const recorded = cluster.status;
  const members = recorded.members ?? [];
  const views = [...snapshot.answers.values()].flatMap((answer) => (answer.view === undefined ? [] : [answer.view]));
  const sets = recorded.layout === undefined ? [] : mergeSetViews(recorded.layout, { views, nowMs, nodes: members.length });
  const latched = isBootstrapped(recorded.bootstrapped === true, sets);
  return {
    actions: [],
    events: [],
    problems: {},
    requeueAfterMs: STEADY_MS,
    status: {
      nowMs,
      cluster,
      spec: undefined,
      clusterId: recorded.clusterId,
      bootstrapped: latched,
      layout: recorded.layout,
      members: gatherMembers(members, snapshot),
      sets,
      candidates: [],
      rollout: recorded.rollout,
      rdma: recorded.rdma ?? [],
      certificates: recorded.certificates ?? [],
      config: recorded.config,
    },
  };
}

function runSteps(draft: Draft, snapshot: Snapshot): void {
  const { cluster } = snapshot;
  if (cluster.deleting) return stepDeletion(draft, snapshot);
  if (!cluster.finalizers.includes(FINALIZER)) draft.actions.push({ kind: 'add-finalizer' });

  const validation = validateCluster({
    apiVersion: `${GROUP}/${VERSION}`,
    kind: KIND,
    metadata: { name: cluster.name, namespace: cluster.namespace, uid: cluster.uid },
    spec: cluster.spec,
  });
  if (validation.kind === 'invalid') {
    draft.problems = { spec: no('Invalid', validation.problems.map(describeProblem).join('; ')) };
    return;
  }
  const pools = judgePools(validation.cluster, cluster.status);
  draft.status = { ...draft.status, spec: validation.cluster.spec };
  if (pools.kind === 'stop') {
    draft.problems = { spec: pools.judgement };
    return;
  }
  if (pools.judgement !== undefined) draft.problems = { spec: pools.judgement };
  stepIdentity(draft, { snapshot, resource: pools.cluster });
}

function stepDeletion(draft: Draft, snapshot: Snapshot): void {
  const deletion = planDeletion(snapshot);
  draft.actions.push(...deletion.actions);
  const waiting = deletion.waitingFor.length === 0 ? 'removing children' : `waiting for pods to end: ${deletion.waitingFor.join(', ')}`;
  draft.problems = { progress: yes('Deleting', waiting) };
  draft.requeueAfterMs = BUSY_MS;
  if (deletion.done && snapshot.cluster.status.clusterId !== undefined) {
    const message = `pods are gone; drives and Secrets stay: a resource with adopt: ${snapshot.cluster.status.clusterId} serves the data again`;
    draft.events.push({ type: 'Normal', reason: 'DataKept', message });
  }
}

type Work = { readonly snapshot: Snapshot; readonly resource: OpenLakeCluster };

/** Cluster id, inner secrets and root keys: created once, read back before use. */
function stepIdentity(draft: Draft, work: Work): void {
  const { snapshot, resource } = work;
  const identity = planIdentity(snapshot, resource.spec.adopt);
  const credentials = planCredentials(resource, snapshot);
  if (identity.kind === 'blocked') {
    draft.problems = { ...draft.problems, spec: no(identity.reason, identity.message) };
    return;
  }
  if (identity.kind === 'create') draft.actions.push({ kind: 'create', object: identitySecret(snapshot.cluster, identity.identity) });
  if (credentials.kind === 'create') draft.actions.push({ kind: 'create', object: credentials.secret });
  if (credentials.kind === 'blocked') {
    draft.problems = { ...draft.problems, credentials: no(credentials.reason, credentials.message) };
    return;
  }
  if (identity.kind === 'create' || credentials.kind === 'create') {
    draft.events.push({ type: 'Normal', reason: 'SecretsGenerated', message: 'generated the secrets that the resource does not name' });
    draft.requeueAfterMs = 0;
    return;
  }
  stepPeerTls(draft, { ...work, identity: identity.identity, credentials: credentials.credentials });
}

type TrustedWork = Work & {
  readonly identity: Identity;
  readonly credentials: readonly { readonly accessKey: string; readonly secretKey: string }[];
};

/** TLS between nodes: certificates from the user's Secrets, and the next step towards what the resource asks for. */
function stepPeerTls(draft: Draft, work: TrustedWork): void {
  const { snapshot, resource } = work;
  const { secrets, nowMs, toldHashes, cluster, pods } = snapshot;
  const { mode, secretRef } = resource.spec.tls.peer;
  const { members } = draft.status;
  const isLost = (snapshot.told === undefined && pods.length > 0) || snapshot.told?.peerTlsLost === true;
  const told = isLost ? 'lost' : snapshot.told?.peerTls;
  const settings = told === 'lost' ? undefined : told;
  const memberIds = members.map(({ member }) => member.id);
  const certificates = planCertificates(resource, { secrets, nowMs, memberIds, toldName: settings?.name });
  const fresh = snapshot.told === undefined && pods.length === 0;
  draft.problems = { ...draft.problems, certificates: certificates.judgement, links: judgeLinks(members, settings) };
  // A cluster that asks for TLS never starts without, nor is one told to go without that may have it.
  if (certificates.kind === 'wrong' && (fresh || isLost)) return;
  const step = planPeerTls({ nowMs, mode, certificates, told, toldHashes, fresh, members, status: cluster.status });
  if (step.progress !== undefined && !fresh) draft.problems = { ...draft.problems, progress: yes('SwitchingTls', step.progress) };
  if (step.changed && step.progress !== undefined && !fresh)
    draft.events.push({ type: 'Normal', reason: 'PeerTlsChanged', message: step.progress });
  const shown = resource.spec.paused ? settings : step.settings;
  const certificate = shown === undefined ? [] : [{ name: secretRef?.name ?? '', notAfter: certificateEnd(shown.certificate) }];
  draft.status = { ...draft.status, certificates: certificate };
  stepMembership(draft, { ...work, peerTls: step.settings });
}

type KnownWork = TrustedWork & { readonly peerTls: PeerTlsSettings | undefined };

/** Members and layout: from status, else from what the identity remembers, else chosen now. */
function stepMembership(draft: Draft, work: KnownWork): void {
  const { snapshot, resource, identity } = work;
  const recorded = snapshot.cluster.status;
  const known = recorded.members !== undefined && recorded.layout !== undefined;
  const remembered = known ? { members: recorded.members, layout: recorded.layout } : identity.remembered;
  // Only chance of a lost status: the latch is kept in both places.
  const bootstrapped = draft.status.bootstrapped || (!known && identity.remembered.bootstrapped);
  const members = (remembered.members ?? []).map((member) => withAddress(member, snapshot));
  const taken = known ? [] : judgeTaken(members, snapshot.nodes);
  if (taken.length > 0) {
    draft.problems = {
      ...draft.problems,
      nodes: no('NodesNotEligible', taken.map(({ nodeName, reason }) => `${nodeName} ${reason}`).join('; ')),
    };
    draft.status = { ...draft.status, clusterId: identity.clusterId, candidates: taken };
    return;
  }
  const rdma = chooseRdma(resource.spec, { members, nodes: snapshot.nodes, recorded: recorded.rdma });
  const result = plan({
    cluster: resource,
    candidates: snapshot.nodes,
    secrets: { peerSecrets: identity.peerSecrets, adminToken: identity.adminToken, credentials: work.credentials, peerTls: work.peerTls },
    rdmaResources: Object.fromEntries(rdma.map(({ pool, resource: name }) => [pool, name])),
    recorded: { clusterId: identity.clusterId, bootstrapped, members, layout: remembered.layout },
  });
  draft.status = { ...draft.status, clusterId: identity.clusterId, bootstrapped };
  if (result.kind === 'blocked') {
    const judgement = no(result.reason, result.message);
    draft.problems = { ...draft.problems, ...(result.reason === 'NodesNotEligible' ? { nodes: judgement } : { spec: judgement }) };
    const candidates = result.rejected.map(({ nodeName, pool, reason }) => ({ nodeName, pool, reason: reason.slice(0, 1024) }));
    draft.status = { ...draft.status, candidates };
    return;
  }
  const facts = gatherMembers(result.members, snapshot);
  draft.status = { ...draft.status, members: facts, layout: result.layout };
  if (!known || recorded.clusterId !== identity.clusterId) {
    // Recorded first; the next pass reads it back and only then starts a pod.
    draft.status = {
      ...draft.status,
      rdma: chooseRdma(resource.spec, { members: result.members, nodes: snapshot.nodes, recorded: recorded.rdma }),
    };
    const names = result.members.map(({ id, nodeName }) => `${id}: ${nodeName}`).join(', ');
    draft.events.push({ type: 'Normal', reason: 'MembersChosen', message: `members of cluster ${identity.clusterId} are ${names}` });
    for (const message of result.warnings) draft.events.push({ type: 'Warning', reason: 'LayoutWarning', message });
    draft.problems = { ...draft.problems, progress: yes('Progressing', 'members were chosen; pods follow') };
    draft.requeueAfterMs = 0;
    return;
  }
  stepChildren(draft, { ...work, layout: result.layout, members: result.members, children: result.children });
}

function withAddress(member: MemberStatus, snapshot: Snapshot): MemberStatus {
  const address = snapshot.nodes.find((node) => node.name === member.nodeName)?.address ?? '';
  return address === '' ? member : { ...member, address };
}

type PlannedWork = KnownWork & { readonly layout: LayoutStatus; readonly members: readonly MemberStatus[]; readonly children: Children };

/** Children, and at most one restart. */
function stepChildren(draft: Draft, work: PlannedWork): void {
  const { snapshot, resource, identity, children } = work;
  const { bootstrapped, sets } = draft.status;
  const remembered = { members: work.members, layout: work.layout, bootstrapped };
  draft.actions.push({ kind: 'apply', object: identitySecret(snapshot.cluster, { ...identity, remembered }), owned: false });
  draft.actions.push(...childActions(children, snapshot.children));

  const { configHashes } = children;
  const bytes = Object.values(children.config.stringData).reduce((sum, text) => sum + Buffer.byteLength(text), 0);
  const hash = sumOfHashes([...configHashes.values()]);
  const config = judgeConfig(draft.status.members, configHashes);
  const membership = judgeMembership(resource, { members: work.members, nodes: snapshot.nodes });
  draft.status = { ...draft.status, config: { hash, bytes } };
  draft.problems = {
    ...draft.problems,
    ...(config === undefined ? {} : { config }),
    ...(membership === undefined ? {} : { membership }),
  };
  stepRollout(draft, { ...work, configHashes, sets });
}

function stepRollout(
  draft: Draft,
  work: PlannedWork & { readonly configHashes: ReadonlyMap<string, string>; readonly sets: readonly SetHealth[] },
): void {
  const { snapshot, resource, children } = work;
  const { cluster } = snapshot;
  const revisions = Object.fromEntries(
    resource.spec.pools.map((pool, index) => [
      pool.name,
      children.daemonSets[index]?.spec?.template.metadata?.annotations?.[REVISION] ?? '',
    ]),
  );
  const rollout = planRollout({
    nowMs: snapshot.nowMs,
    leaseAgeMs: snapshot.leaseAgeMs,
    paused: resource.spec.paused,
    deleting: cluster.deleting,
    update: resource.spec.update,
    approval: cluster.annotations[APPROVE_ROLLOUT],
    layout: work.layout,
    sets: work.sets,
    members: draft.status.members,
    revisions,
    configHashes: work.configHashes,
    recorded: cluster.status.rollout,
  });
  draft.status = { ...draft.status, rollout: rollout.rollout };
  if (rollout.restart !== undefined) {
    draft.actions.push({ kind: 'delete-pod', name: rollout.restart.pod.name, uid: rollout.restart.pod.uid });
    draft.events.push({ type: 'Normal', reason: 'RestartingPod', message: rollout.restart.message });
  }
  if (rollout.stuck !== undefined) draft.problems = { ...draft.problems, stalled: yes('RolloutStuck', rollout.stuck) };
  const { blockedReason, blockedMessage = '', done = 0, total = 0 } = rollout.rollout ?? {};
  if (rollout.active) {
    draft.problems = {
      ...draft.problems,
      progress: yes('RollingRestart', `${done} of ${total} pods are done${blockedMessage === '' ? '' : `; ${blockedMessage}`}`),
    };
  }
  if (blockedReason === 'LayoutCannotSpareNode') {
    const how = `set annotation ${APPROVE_ROLLOUT}=${rollout.rollout?.id} on the resource to restart all the same`;
    draft.problems = { ...draft.problems, upgrade: no('LayoutCannotSpareNode', `${blockedMessage}; ${how}`) };
  }
  const isBusy =
    rollout.active || !draft.status.bootstrapped || draft.problems.config !== undefined || draft.problems.progress !== undefined;
  draft.requeueAfterMs =
    rollout.active && blockedReason === undefined && rollout.restart === undefined ? Math.min(BUSY_MS, 200) : isBusy ? BUSY_MS : STEADY_MS;
}
