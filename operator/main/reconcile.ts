/**
 * One pass over one resource: observe, plan, apply, status, Events; and what becomes of errors.
 *
 * Errors that pass by themselves back off, without a word before the third time in a row. What only a person can mend is
 * written to status as Stalled.
 */
import type { KubernetesObject } from '@kubernetes/client-node';
import { GROUP, KIND, VERSION } from '../api/cluster.ts';
import type { ClusterStatus } from '../api/status.ts';
import { applyActions, ChildNotOurs } from '../apply/apply.ts';
import { writeStatus } from '../apply/status.ts';
import type { KubeClient } from '../kube/client.ts';
import { ApiError, isConflict, isForbidden, isRefused, isTransient } from '../kube/errors.ts';
import type { EventRecorder } from '../kube/events.ts';
import type { WorkResult } from '../kube/queue.ts';
import type { Caches } from '../observe/caches.ts';
import { observe } from '../observe/observe.ts';
import { yes } from '../plan/conditions.ts';
import { planPass } from '../plan/pass.ts';
import type { Snapshot } from '../plan/snapshot.ts';
import type { Problems } from '../plan/status.ts';
import { describeError, type Log } from './log.ts';
import type { OperatorMetrics } from './metrics.ts';

export type ReconcileOptions = {
  readonly client: KubeClient;
  readonly caches: Caches;
  readonly events: EventRecorder;
  readonly metrics: OperatorMetrics;
  readonly log: Log;
  readonly nowMs: () => number;
  readonly leaseAgeMs: () => number;
  readonly isLeader: () => boolean;
};

/** How often everything is written anew, to undo what others changed. */
const FULL_PASS_MS = 600_000;
/** From this failure in a row on, status says so. */
const FAILURES_TO_TELL = 3;
/** A failure that only a person can mend is looked at again this often. */
const STALLED_RETRY_MS = 15_000;

/** The work of the queue. */
export function createReconciler(options: ReconcileOptions): (key: string) => Promise<WorkResult> {
  const failures = new Map<string, number>();
  const fullPasses = new Map<string, number>();

  const pass = async (snapshot: Snapshot, key: string): Promise<WorkResult> => {
    const planned = planPass(snapshot);
    const { cluster, nowMs } = snapshot;
    const isFullPass = nowMs - (fullPasses.get(key) ?? Number.NEGATIVE_INFINITY) > FULL_PASS_MS;
    // Another may lead by now; what it does must not be mixed with ours.
    if (!options.isLeader()) return { kind: 'done' };
    const resourceVersion = await applyActions(planned.actions, {
      client: options.client,
      cluster,
      lookup: (kind, name) => lookup(options.caches, { namespace: cluster.namespace, kind, name }),
      isFullPass,
    });
    if (isFullPass) fullPasses.set(key, nowMs);
    const isGone = planned.actions.some((action) => action.kind === 'remove-finalizer');
    if (!isGone && (await writeStatus(options.client, { cluster, resourceVersion, status: planned.status }))) {
      options.metrics.statusWrites.inc();
    }
    tell(snapshot, planned.events);
    count(snapshot, planned);
    return { kind: 'done', requeueAfterMs: isGone ? undefined : planned.requeueAfterMs };
  };

  const tell = (snapshot: Snapshot, events: ReturnType<typeof planPass>['events']): void => {
    for (const event of events) {
      options.log('event', { resource: `${snapshot.cluster.namespace}/${snapshot.cluster.name}`, ...event });
      void options.events.record(asObject(snapshot), event);
    }
  };

  const count = (snapshot: Snapshot, planned: ReturnType<typeof planPass>): void => {
    const { namespace, name } = snapshot.cluster;
    for (const [state, sets] of Object.entries(planned.status.setCounts ?? {})) options.metrics.sets.set({ namespace, name, state }, sets);
    options.metrics.podRestarts.inc(planned.actions.filter((action) => action.kind === 'delete-pod').length);
  };

  /** Says in status what went wrong, if it is time to. */
  const report = async (snapshot: Snapshot | undefined, failure: Pick<Problems, 'stalled' | 'progress'>): Promise<void> => {
    if (snapshot === undefined) return;
    const { cluster } = snapshot;
    const planned = planPass(snapshot, failure);
    // What was decided in this pass was not carried out: of the recorded decisions only the old ones stand.
    const { members, layout, rollout, clusterId } = cluster.status;
    const status = { ...planned.status, ...(members === undefined ? {} : { layout, clusterId, rollout }) };
    const kept = Object.fromEntries(
      Object.entries(members === undefined ? without(status) : status).filter(([, value]) => value !== undefined),
    );
    await writeStatus(options.client, { cluster, resourceVersion: cluster.resourceVersion, status: kept as typeof planned.status });
    tell(
      snapshot,
      planned.events.filter((event) => event.type === 'Warning'),
    );
  };

  const reconcile = async (key: string): Promise<WorkResult> => {
    const end = options.metrics.reconcileSeconds.startTimer();
    let snapshot: Snapshot | undefined;
    try {
      snapshot = await observe(key, options);
      const result: WorkResult = snapshot === undefined ? { kind: 'done' } : await pass(snapshot, key);
      failures.delete(key);
      options.metrics.reconciles.inc({ result: 'done' });
      return result;
    } catch (error) {
      const inARow = (failures.get(key) ?? 0) + 1;
      failures.set(key, inARow);
      options.metrics.reconciles.inc({ result: 'failed' });
      options.metrics.apiErrors.inc();
      if (!isConflict(error) || inARow >= FAILURES_TO_TELL)
        options.log('reconcile failed', { resource: key, failures: inARow, error: describeError(error) });
      const failure = judgeFailure(error, inARow);
      if (failure !== undefined)
        await report(snapshot, failure).catch((second: unknown) =>
          options.log('status not written', { resource: key, error: describeError(second) }),
        );
      const retryAfterMs = error instanceof ApiError ? error.retryAfterMs : undefined;
      return { kind: 'failed', retryAfterMs: failure?.stalled === undefined ? retryAfterMs : STALLED_RETRY_MS };
    } finally {
      end();
    }
  };

  // Two clusters that choose their nodes side by side would choose the same ones.
  let choosing: Promise<unknown> = Promise.resolve();
  return (key) => {
    if (hasMembers(options.caches, key)) return reconcile(key);
    const turn = choosing.then(() => reconcile(key));
    choosing = turn.catch(() => undefined);
    return turn;
  };
}

function hasMembers(caches: Caches, key: string): boolean {
  const [namespace = '', name = ''] = key.split('/');
  const cluster = caches.namespaces.get(namespace)?.clusters.get(name) as { readonly status?: ClusterStatus } | undefined;
  return cluster?.status?.members !== undefined;
}

function judgeFailure(error: unknown, count: number): Pick<Problems, 'stalled' | 'progress'> | undefined {
  if (isForbidden(error)) return { stalled: yes('Forbidden', error.message) };
  if (error instanceof ChildNotOurs) return { stalled: yes('ChildNotOurs', error.message) };
  if (isRefused(error)) return { stalled: yes('ChildRefused', error.message) };
  if (count < FAILURES_TO_TELL) return undefined;
  return isTransient(error)
    ? { progress: yes('ApiUnavailable', describeError(error)) }
    : { stalled: yes('ApiUnavailable', describeError(error)) };
}

/** A status without decisions. */
function without<T extends { members?: unknown; layout?: unknown; rollout?: unknown; clusterId?: unknown }>(
  status: T,
): Omit<T, 'members' | 'layout' | 'rollout' | 'clusterId'> {
  const { members: _members, layout: _layout, rollout: _rollout, clusterId: _id, ...rest } = status;
  return rest;
}

function lookup(
  caches: Caches,
  place: { readonly namespace: string; readonly kind: string; readonly name: string },
): KubernetesObject | undefined {
  const inside = caches.namespaces.get(place.namespace);
  if (inside === undefined) return undefined;
  const byKind: Readonly<Record<string, { readonly get: (name: string) => KubernetesObject | undefined }>> = {
    Secret: inside.secrets,
    Service: inside.services,
    ServiceAccount: inside.serviceAccounts,
    DaemonSet: inside.daemonSets,
    Deployment: inside.deployments,
    PodDisruptionBudget: inside.disruptionBudgets,
  };
  return byKind[place.kind]?.get(place.name);
}

function asObject({ cluster }: Snapshot): KubernetesObject {
  const { name, namespace, uid } = cluster;
  return { apiVersion: `${GROUP}/${VERSION}`, kind: KIND, metadata: { name, namespace, uid } };
}
