/** Which children to apply and which to remove, as actions in their order. */
import type { KubernetesObject } from '@kubernetes/client-node';
import type { Children } from '../desired/desired.ts';
import type { Action } from './actions.ts';
import type { ObservedChild } from './snapshot.ts';

/** Kinds of children, in the order in which a deleted cluster loses them: what makes pods goes first. */
const REMOVAL_ORDER = ['DaemonSet', 'Deployment', 'PodDisruptionBudget', 'Service', 'ServiceAccount', 'Secret'] as const;

/** Applies everything desired, then removes what is there and not desired. */
export function childActions(children: Children, observed: readonly ObservedChild[]): Action[] {
  const objects: KubernetesObject[] = [
    children.config,
    ...(children.serviceAccount === undefined ? [] : [children.serviceAccount]),
    ...children.services,
    ...children.daemonSets,
    ...(children.guard === undefined ? [] : [children.guard.deployment, children.guard.budget]),
  ];
  const wanted = new Set(objects.map((object) => `${object.kind}/${object.metadata?.name}`));
  const surplus = observed.filter((child) => !wanted.has(`${child.kind}/${child.name}`));
  return [...objects.map((object): Action => ({ kind: 'apply', object, owned: true })), ...removeChildren(surplus)];
}

const place = (child: ObservedChild): number => REMOVAL_ORDER.findIndex((kind) => kind === child.kind);

/** Removes children, what makes pods first. */
export function removeChildren(observed: readonly ObservedChild[]): Action[] {
  return observed
    .toSorted((left, right) => place(left) - place(right))
    .map(({ kind, name, uid }): Action => ({ kind: 'delete-child', childKind: kind, name, uid }));
}
