/**
 * Local copies of everything that the operator looks at, in each namespace it watches, and the Nodes.
 *
 * A change of anything becomes the key `namespace/name` of the resource it belongs to; nothing else is done with it here.
 */
import type {
  KubernetesObject,
  V1DaemonSet,
  V1Deployment,
  V1Node,
  V1Pod,
  V1PodDisruptionBudget,
  V1Secret,
  V1Service,
  V1ServiceAccount,
} from '@kubernetes/client-node';
import { MANAGER } from '../desired/names.ts';
import type { KubeClient } from '../kube/client.ts';
import { type Change, type Informer, startInformer } from '../kube/informer.ts';
import { type Resource, resources } from '../kube/resources.ts';
import { observeNode } from './nodes.ts';

export type NamespaceCaches = {
  readonly clusters: Informer<KubernetesObject>;
  readonly pods: Informer<V1Pod>;
  readonly secrets: Informer<V1Secret>;
  readonly services: Informer<V1Service>;
  readonly serviceAccounts: Informer<V1ServiceAccount>;
  readonly daemonSets: Informer<V1DaemonSet>;
  readonly deployments: Informer<V1Deployment>;
  readonly disruptionBudgets: Informer<V1PodDisruptionBudget>;
};

export type Caches = {
  readonly nodes: Informer<V1Node>;
  readonly namespaces: ReadonlyMap<string, NamespaceCaches>;
  readonly hasSynced: () => boolean;
  readonly synced: Promise<void>;
  /** Keys of all resources. */
  readonly keys: () => readonly string[];
  readonly stop: () => Promise<void>;
};

export type CacheOptions = {
  readonly namespaces: readonly string[];
  readonly onKey: (key: string) => void;
  readonly onError: (error: unknown) => void;
};

const INSTANCE = 'app.kubernetes.io/instance';

/** Starts all informers. */
export function startCaches(client: KubeClient, options: CacheOptions): Caches {
  const { onError, onKey } = options;
  const namespaces = new Map<string, NamespaceCaches>();
  const keysIn = (namespace: string): string[] =>
    (namespaces.get(namespace)?.clusters.list() ?? []).map((cluster) => `${namespace}/${cluster.metadata?.name}`);
  const keys = (): string[] => [...namespaces.keys()].flatMap(keysIn);

  for (const namespace of options.namespaces) {
    const start = <T extends KubernetesObject>(
      resource: Resource,
      from: { readonly labelSelector?: string; readonly onChange: (change: Change<T>) => void },
    ): Informer<T> => startInformer<T>(client, { resource, namespace, onError, ...from });
    const toOwner = (change: Change<KubernetesObject>): void => {
      const instance = (change.after ?? change.before)?.metadata?.labels?.[INSTANCE];
      if (instance !== undefined) onKey(`${namespace}/${instance}`);
    };
    const child = <T extends KubernetesObject>(resource: Resource): Informer<T> =>
      start<T>(resource, { labelSelector: `app.kubernetes.io/managed-by=${MANAGER}`, onChange: toOwner });
    namespaces.set(namespace, {
      clusters: start(resources.clusters, { onChange: ({ before, after }) => onKey(`${namespace}/${(after ?? before)?.metadata?.name}`) }),
      pods: start(resources.pods, { labelSelector: 'app.kubernetes.io/name=openlake', onChange: toOwner }),
      // Any Secret may be one that a resource names.
      secrets: start(resources.secrets, { onChange: () => keysIn(namespace).forEach(onKey) }),
      services: child(resources.services),
      serviceAccounts: child(resources.serviceAccounts),
      daemonSets: child(resources.daemonSets),
      deployments: child(resources.deployments),
      disruptionBudgets: child(resources.disruptionBudgets),
    });
  }
  const nodes = startInformer<V1Node>(client, {
    resource: resources.nodes,
    onError,
    // Kubelets report every few seconds; only what planning looks at counts.
    onChange: ({ before, after }) => {
      if (digest(before) !== digest(after)) keys().forEach(onKey);
    },
  });
  const all: readonly Informer<KubernetesObject>[] = [nodes, ...[...namespaces.values()].flatMap((caches) => Object.values(caches))];
  return {
    nodes,
    namespaces,
    keys,
    hasSynced: () => all.every((informer) => informer.hasSynced()),
    synced: Promise.all(all.map((informer) => informer.synced)).then(() => undefined),
    stop: async () => {
      await Promise.all(all.map((informer) => informer.stop()));
    },
  };
}

function digest(node: V1Node | undefined): string {
  return node === undefined ? '' : JSON.stringify(observeNode(node));
}
