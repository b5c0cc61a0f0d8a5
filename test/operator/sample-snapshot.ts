/** Snapshots of a cluster as the operator would see it, for tests of planning. */
import { createHash } from 'node:crypto';
import type { InfoView } from '../../node/admin/schemas.ts';
import { FINALIZER, REVISION } from '../../operator/api/annotations.ts';
import type { ClusterStatus } from '../../operator/api/status.ts';
import { identitySecretName, rootSecretName } from '../../operator/desired/names.ts';
import type { Action, Pass } from '../../operator/plan/actions.ts';
import { planPass } from '../../operator/plan/pass.ts';
import type { NodeView } from '../../operator/plan/sets.ts';
import type { ObservedAnswer, ObservedNode, ObservedPod, ObservedSecret, Snapshot } from '../../operator/plan/snapshot.ts';
import { sampleDocument, sampleSecrets, wholeConfigs } from './sample-cluster.ts';

export const NOW_MS: number = Date.UTC(2026, 0, 1);

type Change = Parameters<typeof sampleDocument>[0];

export function sampleNodes(count: number): ObservedNode[] {
  return Array.from({ length: count }, (_, index) => ({
    name: `node-${index}`,
    address: `10.0.0.${index + 1}`,
    labels: {},
    resources: [],
    ready: true,
    cordoned: false,
    unfit: undefined,
  }));
}

/** A resource that was just created, on `nodes` nodes, with nothing else there. */
export function freshSnapshot(change?: Change, nodes = 4): Snapshot {
  const document = sampleDocument(change) as { metadata: { name: string }; spec: unknown };
  return {
    nowMs: NOW_MS,
    leaseAgeMs: 100,
    cluster: {
      name: document.metadata.name,
      namespace: 'ns',
      uid: 'uid-1',
      generation: 1,
      resourceVersion: '1',
      annotations: {},
      finalizers: [],
      deleting: false,
      spec: document.spec,
      status: { observedGeneration: -1 },
    },
    nodes: sampleNodes(nodes),
    pods: [],
    secrets: [],
    children: [],
    answers: new Map(),
    others: [],
    fresh: { ...sampleSecrets, clusterId: 'c'.repeat(32) },
  };
}

/** The snapshot after what a pass decided was carried out, without pods. */
export function carryOut(snapshot: Snapshot, pass: Pass): Snapshot {
  let { secrets } = snapshot;
  let finalizers = [...snapshot.cluster.finalizers];
  for (const action of pass.actions) {
    if (action.kind === 'add-finalizer') finalizers = [...finalizers, FINALIZER];
    if (action.kind === 'remove-finalizer') finalizers = [];
    const secret =
      (action.kind === 'create' || action.kind === 'apply') && action.object.kind === 'Secret' ? asSecret(action.object) : undefined;
    if (secret !== undefined) secrets = [...secrets.filter((other) => other.name !== secret.name), secret];
  }
  const pods = snapshot.pods.filter((pod) => !pass.actions.some((action) => action.kind === 'delete-pod' && action.uid === pod.uid));
  return { ...snapshot, secrets, pods, cluster: { ...snapshot.cluster, finalizers, status: pass.status } };
}

function asSecret(object: object): ObservedSecret {
  const { metadata, stringData } = object as {
    metadata: { name: string; labels?: Record<string, string> };
    stringData?: Record<string, string>;
  };
  return { name: metadata.name, labels: metadata.labels ?? {}, data: stringData ?? {} };
}

/** Pod template's revision by pool, as the pass applies it. */
export function revisionsOf(pass: Pass): Record<string, string> {
  const found: Record<string, string> = {};
  for (const action of pass.actions) {
    if (action.kind !== 'apply' || action.object.kind !== 'DaemonSet') continue;
    const { spec, metadata } = action.object as unknown as {
      metadata: { labels: Record<string, string> };
      spec: { template: { metadata: { annotations: Record<string, string> } } };
    };
    found[metadata.labels['openlake.dev/pool'] ?? ''] = spec.template.metadata.annotations[REVISION] ?? '';
  }
  return found;
}

export function samplePod(nodeName: string, change: Partial<ObservedPod> = {}): ObservedPod {
  return {
    name: `pod-${nodeName}`,
    uid: `uid-${nodeName}`,
    nodeName,
    pool: 'p0',
    revision: 'r1',
    ready: true,
    readySinceMs: NOW_MS - 3_600_000,
    idle: false,
    deletedAtMs: undefined,
    phase: 'Running',
    adminPort: 9002,
    trouble: '',
    ...change,
  };
}

/** Answers of the members as if those in `away` were unreachable. Slots come from the recorded layout. */
export function answersOf(
  status: ClusterStatus,
  from: {
    readonly away: ReadonlySet<number>;
    /** Nodes whose drives lack something. */
    readonly healing?: ReadonlySet<number>;
    readonly nowMs: number;
    readonly hashes?: ReadonlyMap<string, string>;
    /** Links run over TLS. */
    readonly encrypted?: boolean;
  },
): Map<number, ObservedAnswer> {
  const answers = new Map<number, ObservedAnswer>();
  for (const member of status.members ?? []) {
    if (from.away.has(member.id)) continue;
    const sets: NodeView['sets'] = (status.layout?.sets ?? []).map((set) => {
      const slots = set.slots.map((text, slot) => {
        const [node = 0, drive = 0] = text.split('/').map(Number);
        const heal = node !== member.id ? {} : { heal: from.healing?.has(node) === true ? 'Healing' : 'Whole' };
        return { slot, nodeId: node, drive, state: from.away.has(node) ? 'Unreachable' : 'Serving', ...heal };
      });
      return { id: set.id, voting: slots.filter((slot) => slot.state === 'Serving').length, slots };
    });
    const info: InfoView = {
      node: { id: member.id, name: member.nodeName },
      version: '0.1.0',
      engine: { kind: 'uring', reason: '' },
      cores: 1,
      uptimeSeconds: 1,
      ready: true,
      drives: [],
      cluster: { id: '', name: '', bootstrapped: true },
    };
    const hash = from.hashes?.get(member.nodeName) ?? '';
    answers.set(member.id, {
      info,
      config: { hash, epoch: 1, restartKeys: [], refusal: '' },
      view: { nodeId: member.id, atMs: from.nowMs, sets, peers: linksOf(member.id, status, from) },
      error: undefined,
    });
  }
  return answers;
}

function linksOf(
  id: number,
  status: ClusterStatus,
  from: { readonly away: ReadonlySet<number>; readonly encrypted?: boolean },
): NonNullable<NodeView['peers']> {
  const others = (status.members ?? []).filter((member) => member.id !== id);
  return others.map((member) => ({ nodeId: member.id, connected: !from.away.has(member.id), encrypted: from.encrypted === true }));
}

/** A ready pod for each member, of the revision that the pass applies. */
function podsOf(pass: Pass): ObservedPod[] {
  return (pass.status.members ?? []).map((member) =>
    samplePod(member.nodeName, { pool: member.pool, revision: revisionsOf(pass)[member.pool] ?? '' }),
  );
}

/** A cluster in service: all pods of the newest revision, all members answer. */
export function runningSnapshot(change?: Change, nodes = 4): Snapshot {
  let snapshot = freshSnapshot(change, nodes);
  for (let turn = 0; turn < 3; turn += 1) snapshot = carryOut(snapshot, planPass(snapshot));
  for (let turn = 0; turn < 3; turn += 1) {
    const pass = planPass(snapshot);
    snapshot = carryOut({ ...snapshot, pods: podsOf(pass) }, pass);
    snapshot = {
      ...snapshot,
      answers: answersOf(snapshot.cluster.status, { away: new Set(), nowMs: NOW_MS, hashes: configHashes(pass.actions) }),
    };
  }
  return snapshot;
}

/** What the nodes would answer after they read the applied configuration. */
export function configHashes(actions: readonly Action[]): Map<string, string> {
  const hashes = new Map<string, string>();
  for (const action of actions) {
    if (action.kind !== 'apply' || action.object.metadata?.name?.endsWith('-config') !== true) continue;
    const { stringData = {} } = action.object as { stringData?: Record<string, string> };
    for (const [nodeName, text] of wholeConfigs(stringData)) hashes.set(nodeName, createHash('sha256').update(text).digest('hex'));
  }
  return hashes;
}

export const secretNames = { identity: identitySecretName({ name: 'sample' }), root: rootSecretName({ name: 'sample' }) };
