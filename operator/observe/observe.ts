/**
 * One immutable snapshot of everything about one resource, for planning.
 *
 * The resource itself is read anew, since what was written to its status must be read back before it is acted on; the rest
 * comes from the informers' copies, and the members are asked over their admin API.
 */
import type { KubernetesObject, V1Secret } from '@kubernetes/client-node';
import { CLUSTER_ID_LABEL } from '../api/annotations.ts';
import type { ClusterStatus, MemberStatus } from '../api/status.ts';
import { configSecretName, identitySecretName, rootSecretName } from '../desired/names.ts';
import type { KubeClient } from '../kube/client.ts';
import { isNotFound } from '../kube/errors.ts';
import { getObject } from '../kube/patch.ts';
import { resourcePath, resources } from '../kube/resources.ts';
import type {
  ObservedAnswer,
  ObservedChild,
  ObservedCluster,
  ObservedNode,
  ObservedPod,
  ObservedSecret,
  OtherCluster,
  Snapshot,
} from '../plan/snapshot.ts';
import { fetchAnswer } from './admin-client.ts';
import type { Caches, NamespaceCaches } from './caches.ts';
import { generateSecrets } from './generate-secrets.ts';
import { observeNode } from './nodes.ts';
import { observePod } from './pods.ts';
import { readToldHashes, readToldSecrets } from './told-secrets.ts';

export type ObserveOptions = {
  readonly client: KubeClient;
  readonly caches: Caches;
  readonly nowMs: () => number;
  readonly leaseAgeMs: () => number;
};

/** Longer than a healthy node ever takes, short enough that a dead one does not hold up the others. */
const ANSWER_TIMEOUT_MS = 2_000;

type RawCluster = KubernetesObject & { readonly spec?: unknown; readonly status?: ClusterStatus };

/** The snapshot of `namespace/name`; undefined when there is no such resource (any more). */
export async function observe(key: string, options: ObserveOptions): Promise<Snapshot | undefined> {
  const [namespace = '', name = ''] = key.split('/');
  const caches = options.caches.namespaces.get(namespace);
  if (caches === undefined) return undefined;
  let raw: RawCluster;
  try {
    raw = (await getObject(options.client, resources.clusters, { namespace, name })) as RawCluster;
  } catch (error) {
    if (isNotFound(error)) return undefined;
    throw error;
  }
  const cluster = observeCluster(raw);
  const pods = caches.pods
    .list()
    .flatMap((pod) => (pod.metadata?.labels?.['app.kubernetes.io/instance'] === name ? [observePod(pod)] : []));
  const secrets = observeSecrets(caches, cluster);
  // Nodes are given away once and for ever, so what other clusters hold is read anew for that, too.
  const others = observeOthers(cluster.status.members === undefined ? await listClusters(options) : knownClusters(options.caches), cluster);
  const files = await observeConfigFiles(options.client, cluster);
  const answers = await askMembers(cluster, { pods, secrets, nowMs: options.nowMs });
  return {
    nowMs: options.nowMs(),
    leaseAgeMs: options.leaseAgeMs(),
    cluster,
    nodes: options.caches.nodes.list().map((node) => markTaken(observeNode(node), others)),
    pods,
    secrets,
    children: observeChildren(caches, cluster.uid),
    answers,
    others,
    told: files === undefined ? undefined : readToldSecrets(files),
    toldHashes: files === undefined ? undefined : readToldHashes(files),
    fresh: generateSecrets(),
  };
}

function observeCluster(raw: RawCluster): ObservedCluster {
  const { metadata, spec, status } = raw;
  return {
    name: metadata?.name ?? '',
    namespace: metadata?.namespace ?? '',
    uid: metadata?.uid ?? '',
    generation: metadata?.generation ?? 0,
    resourceVersion: metadata?.resourceVersion ?? '',
    annotations: metadata?.annotations ?? {},
    finalizers: metadata?.finalizers ?? [],
    deleting: metadata?.deletionTimestamp !== undefined,
    spec,
    status: status ?? { observedGeneration: -1 },
  };
}

/** As much of a spec, which was not validated yet, as names Secrets. */
type WrittenSpec = {
  readonly adopt?: string;
  readonly credentials?: { readonly root?: readonly { readonly secretRef?: { readonly name?: string } }[] };
  readonly tls?: { readonly peer?: { readonly secretRef?: { readonly name?: string }; readonly caSecretRef?: { readonly name?: string } } };
};

/** The Secrets that the resource names, our own two, and the identity of the cluster to adopt. */
function observeSecrets(caches: NamespaceCaches, cluster: ObservedCluster): ObservedSecret[] {
  const spec = cluster.spec as WrittenSpec | undefined;
  const names = new Set([identitySecretName(cluster), rootSecretName(cluster)]);
  const { secretRef, caSecretRef } = spec?.tls?.peer ?? {};
  for (const reference of [...(spec?.credentials?.root ?? []).map((entry) => entry.secretRef), secretRef, caSecretRef])
    if (reference?.name !== undefined) names.add(reference.name);
  const isWanted = ({ metadata }: V1Secret): boolean =>
    names.has(metadata?.name ?? '') || (spec?.adopt !== undefined && metadata?.labels?.[CLUSTER_ID_LABEL] === spec.adopt);
  return caches.secrets
    .list()
    .filter(isWanted)
    .map(({ metadata, data }) => ({
      name: metadata?.name ?? '',
      labels: metadata?.labels ?? {},
      data: decode(data),
    }));
}

/** The configuration that the nodes have, as files by name; undefined when there is none of this resource. Read anew, as steps go on from it. */
async function observeConfigFiles(client: KubeClient, cluster: ObservedCluster): Promise<Readonly<Record<string, string>> | undefined> {
  const place = { namespace: cluster.namespace, name: configSecretName({ metadata: cluster }) };
  try {
    const secret = (await getObject(client, resources.secrets, place)) as V1Secret;
    const isOurs = secret.metadata?.ownerReferences?.some((owner) => owner.uid === cluster.uid) === true;
    return isOurs ? decode(secret.data) : undefined;
  } catch (error) {
    if (isNotFound(error)) return undefined;
    throw error;
  }
}

function decode(data: V1Secret['data']): Record<string, string> {
  return Object.fromEntries(Object.entries(data ?? {}).map(([key, value]) => [key, Buffer.from(value, 'base64').toString('utf8')]));
}

function observeChildren(caches: NamespaceCaches, uid: string): ObservedChild[] {
  const { daemonSets, deployments, disruptionBudgets, services, serviceAccounts, secrets } = caches;
  const objects: readonly KubernetesObject[] = [daemonSets, deployments, disruptionBudgets, services, serviceAccounts, secrets].flatMap(
    (informer): readonly KubernetesObject[] => informer.list(),
  );
  return objects
    .filter(({ metadata }) => metadata?.ownerReferences?.some((owner) => owner.uid === uid && owner.controller === true) === true)
    .map(({ kind, metadata }) => ({ kind: kind ?? '', name: metadata?.name ?? '', uid: metadata?.uid ?? '' }));
}

type Holder = OtherCluster & { readonly members: readonly MemberStatus[] };

function knownClusters(caches: Caches): readonly RawCluster[] {
  return [...caches.namespaces.values()].flatMap((namespace) => namespace.clusters.list() as readonly RawCluster[]);
}

async function listClusters({ client, caches }: ObserveOptions): Promise<readonly RawCluster[]> {
  const lists = [...caches.namespaces.keys()].map(async (namespace) => {
    const answer = await client.request({ method: 'GET', path: resourcePath(resources.clusters, { namespace }) });
    return (answer as { readonly items: readonly RawCluster[] }).items;
  });
  return (await Promise.all(lists)).flat();
}

function observeOthers(clusters: readonly RawCluster[], cluster: ObservedCluster): Holder[] {
  return clusters
    .filter((other) => other.metadata?.uid !== cluster.uid)
    .map(({ metadata, status }) => ({
      name: metadata?.name ?? '',
      namespace: metadata?.namespace ?? '',
      clusterId: status?.clusterId,
      members: status?.members ?? [],
    }));
}

/** Two clusters cannot share a node's ports and drives. */
function markTaken(node: ObservedNode, others: readonly Holder[]): ObservedNode {
  const holder = others.find((other) => other.members.some((member) => member.nodeName === node.name));
  if (holder === undefined) return node;
  const name = `${holder.namespace}/${holder.name}`;
  return { ...node, holder: name, unfit: `is a member of cluster ${name}` };
}

/** Asks every member whose container runs. */
async function askMembers(
  cluster: ObservedCluster,
  from: { readonly pods: readonly ObservedPod[]; readonly secrets: readonly ObservedSecret[]; readonly nowMs: () => number },
): Promise<ReadonlyMap<number, ObservedAnswer>> {
  const token = from.secrets.find((secret) => secret.name === identitySecretName(cluster))?.data['adminToken'];
  if (token === undefined) return new Map();
  const asked = (cluster.status.members ?? []).map(async (member): Promise<[number, ObservedAnswer] | undefined> => {
    const pod = from.pods.find((candidate) => candidate.nodeName === member.nodeName && !candidate.idle);
    if (pod === undefined) return undefined;
    const access = { adminPort: pod.adminPort, token, timeoutMs: ANSWER_TIMEOUT_MS, nowMs: from.nowMs };
    return [member.id, await fetchAnswer(member, access)];
  });
  return new Map((await Promise.all(asked)).filter((entry) => entry !== undefined));
}
