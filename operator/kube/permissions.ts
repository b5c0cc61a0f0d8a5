/**
 * Everything that the operator may do on an API server: the chart's roles are made from this, and tests run under them.
 *
 * A Role in each watched namespace, and one ClusterRole that reads Nodes. No wildcard, no right to patch Nodes or pods, no
 * Secret outside of its namespaces.
 */
import { GROUP, PLURAL } from '../api/cluster.ts';

export type PolicyRule = {
  readonly apiGroups: readonly string[];
  readonly resources: readonly string[];
  readonly verbs: readonly string[];
};

const rule = (group: string, names: readonly string[], verbs: readonly string[]): PolicyRule => ({
  apiGroups: [group],
  resources: [...names],
  verbs: [...verbs],
});

const watch = ['get', 'list', 'watch'] as const;
/** Server-side apply of an object that does not exist yet is checked as create, and as patch. */
const own = [...watch, 'create', 'patch', 'delete'] as const;

/** In every watched namespace. */
export const namespaceRules: readonly PolicyRule[] = [
  rule(GROUP, [PLURAL], [...watch, 'patch']),
  rule(GROUP, [`${PLURAL}/status`], ['get', 'patch']),
  // blockOwnerDeletion of children needs this where OwnerReferencesPermissionEnforcement is on.
  rule(GROUP, [`${PLURAL}/finalizers`], ['update']),
  rule('', ['secrets', 'services', 'serviceaccounts'], own),
  rule('', ['pods'], [...watch, 'delete']),
  rule('', ['events'], ['create']),
  rule('apps', ['daemonsets', 'deployments'], own),
  rule('policy', ['poddisruptionbudgets'], own),
];

/** In the operator's own namespace. */
export const leaseRules: readonly PolicyRule[] = [rule('coordination.k8s.io', ['leases'], ['get', 'create', 'update'])];

/** For the whole cluster. */
export const clusterRules: readonly PolicyRule[] = [rule('', ['nodes'], watch)];
