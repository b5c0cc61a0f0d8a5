/**
 * A deleted resource: pods and children go; drives, NAME-identity, NAME-root and the user's Secrets stay.
 *
 * The finalizer waits for the pods only, since two generations of pods on one drive would be in each other's way. It does no
 * remote work, and does not wait for a pod that a lost kubelet can never end.
 */
import type { Action } from './actions.ts';
import { removeChildren } from './children.ts';
import type { Snapshot } from './snapshot.ts';

/** Past the end of its grace period, which the deletion timestamp names. */
const PATIENCE_MS = 60_000;

export type DeletionPlan = { readonly actions: readonly Action[]; readonly waitingFor: readonly string[]; readonly done: boolean };

export function planDeletion(snapshot: Snapshot): DeletionPlan {
  const alive = snapshot.pods.filter((pod) => pod.deletedAtMs === undefined || snapshot.nowMs - pod.deletedAtMs < PATIENCE_MS);
  const makers = snapshot.children.filter((child) => child.kind === 'DaemonSet' || child.kind === 'Deployment');
  if (makers.length > 0 || alive.length > 0) {
    return { actions: removeChildren(makers), waitingFor: alive.map((pod) => pod.name), done: false };
  }
  return { actions: [...removeChildren(snapshot.children), { kind: 'remove-finalizer' }], waitingFor: [], done: true };
}
