/**
 * Names and labels of everything that belongs to one cluster, in one place, so that children find each other.
 */
import { GROUP, KIND, type OpenLakeCluster, VERSION } from '../api/cluster.ts';

/** The field manager of server-side apply, and the value of the managed-by label. */
export const MANAGER = 'openlake-operator';

/** Where a pod finds its configuration: one file per node, named by the node. */
export const CONFIG_MOUNT = '/etc/openlake';

export function configSecretName(cluster: { readonly metadata: { readonly name: string } }): string {
  return `${cluster.metadata.name}-config`;
}

export function daemonSetName(cluster: OpenLakeCluster, pool: string): string {
  return `${cluster.metadata.name}-${pool}`;
}

/** The Deployment and the disruption budget that make evictions wait. */
export function guardName(cluster: OpenLakeCluster): string {
  return `${cluster.metadata.name}-guard`;
}

/** Id, peer secret, admin token, members and layout; outlives the resource, so that a new one can adopt the drives. */
export function identitySecretName(cluster: { readonly name: string }): string {
  return `${cluster.name}-identity`;
}

/** Generated root keys, where the resource names none. */
export function rootSecretName(cluster: { readonly name: string }): string {
  return `${cluster.name}-root`;
}

export function serviceAccountName(cluster: OpenLakeCluster): string {
  return cluster.spec.pod.serviceAccountName ?? `${cluster.metadata.name}-node`;
}

/** Labels that selectors use; never changed once written. */
export function selectorLabels(cluster: OpenLakeCluster): Record<string, string> {
  return { 'app.kubernetes.io/name': 'openlake', 'app.kubernetes.io/instance': cluster.metadata.name };
}

export function poolLabels(cluster: OpenLakeCluster, pool: string): Record<string, string> {
  return { ...selectorLabels(cluster), [`${GROUP}/pool`]: pool };
}

/** Guard pods stand apart: a Service or a gate must never take one for a storage node. */
export function guardLabels(cluster: OpenLakeCluster): Record<string, string> {
  return { ...selectorLabels(cluster), 'app.kubernetes.io/name': 'openlake-guard' };
}

/** Metadata of a child: labels, and the owner where there is one (a local cluster has no uid). */
export function childMetadata(
  cluster: OpenLakeCluster,
  name: string,
): {
  name: string;
  namespace: string;
  labels: Record<string, string>;
  ownerReferences?: { apiVersion: string; kind: string; name: string; uid: string; controller: boolean; blockOwnerDeletion: boolean }[];
} {
  const { uid } = cluster.metadata;
  const owner = { apiVersion: `${GROUP}/${VERSION}`, kind: KIND, name: cluster.metadata.name, controller: true, blockOwnerDeletion: true };
  return {
    name,
    namespace: cluster.metadata.namespace,
    labels: { ...selectorLabels(cluster), 'app.kubernetes.io/managed-by': MANAGER },
    ...(uid === undefined ? {} : { ownerReferences: [{ ...owner, uid }] }),
  };
}
