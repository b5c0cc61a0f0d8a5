/**
 * Kinds that the operator deals with, and where the API server has them.
 */
import type { KubernetesObject } from '@kubernetes/client-node';
import { GROUP, KIND, PLURAL, VERSION } from '../api/cluster.ts';

export type Resource = {
  readonly apiVersion: string;
  readonly kind: string;
  readonly plural: string;
  readonly namespaced: boolean;
};

const namespaced = (apiVersion: string, kind: string, plural: string): Resource => ({ apiVersion, kind, plural, namespaced: true });

export const resources = {
  clusters: namespaced(`${GROUP}/${VERSION}`, KIND, PLURAL),
  nodes: { apiVersion: 'v1', kind: 'Node', plural: 'nodes', namespaced: false },
  pods: namespaced('v1', 'Pod', 'pods'),
  secrets: namespaced('v1', 'Secret', 'secrets'),
  services: namespaced('v1', 'Service', 'services'),
  serviceAccounts: namespaced('v1', 'ServiceAccount', 'serviceaccounts'),
  daemonSets: namespaced('apps/v1', 'DaemonSet', 'daemonsets'),
  deployments: namespaced('apps/v1', 'Deployment', 'deployments'),
  disruptionBudgets: namespaced('policy/v1', 'PodDisruptionBudget', 'poddisruptionbudgets'),
  events: namespaced('v1', 'Event', 'events'),
  leases: namespaced('coordination.k8s.io/v1', 'Lease', 'leases'),
} as const satisfies Readonly<Record<string, Resource>>;

/** What an object is, by its own apiVersion and kind. Throws for kinds that the operator does not know. */
export function resourceOf(object: KubernetesObject): Resource {
  const found = Object.values(resources).find(({ apiVersion, kind }) => apiVersion === object.apiVersion && kind === object.kind);
  if (found === undefined) throw new Error(`Cannot place ${object.apiVersion} ${object.kind}: the operator does not know this kind`);
  return found;
}

/** The path of a collection, or of one object with `name`, or of a part of it such as `status`. */
export function resourcePath(
  resource: Resource,
  place: { readonly namespace?: string | undefined; readonly name?: string | undefined; readonly part?: string | undefined },
): string {
  const base = resource.apiVersion.includes('/') ? `/apis/${resource.apiVersion}` : `/api/${resource.apiVersion}`;
  const inside = resource.namespaced && place.namespace !== undefined ? `/namespaces/${encodeURIComponent(place.namespace)}` : '';
  const name = place.name === undefined ? '' : `/${encodeURIComponent(place.name)}`;
  return `${base}${inside}/${resource.plural}${name}${place.part === undefined ? '' : `/${place.part}`}`;
}
