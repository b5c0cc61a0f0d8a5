/**
 * One DaemonSet per pool: a storage pod on each member's node, and nowhere else.
 *
 * Update strategy OnDelete, because the operator decides when a pod may go. Nodes come from the members in status by name,
 * one affinity term each, never from a live selector: a lost label must not remove a pod.
 */
import type {
  V1Container,
  V1DaemonSet,
  V1PodSpec,
  V1Probe,
  V1SecurityContext,
  V1Toleration,
  V1Volume,
  V1VolumeMount,
} from '@kubernetes/client-node';
import { REVISION } from '../api/annotations.ts';
import type { ClusterSpec } from '../api/cluster.ts';
import type { PoolSpec } from '../api/pool.ts';
import { parseBytes } from '../api/quantity.ts';
import type { DesiredInput } from './config.ts';
import { hashOf } from './hash.ts';
import { imageOf } from './image.ts';
import { CONFIG_MOUNT, childMetadata, configSecretName, daemonSetName, poolLabels, serviceAccountName } from './names.ts';
import { tolerationsOf } from './tolerations.ts';

/** Above the node's own delay (3 s), drain (20 s) and closing of drives (10 s), so that a kill is never what ends them. */
const GRACE_SECONDS = 35;

export function poolDaemonSet(input: DesiredInput, pool: PoolSpec): V1DaemonSet {
  const { cluster } = input;
  const labels = poolLabels(cluster, pool.name);
  const { pod } = cluster.spec;
  const metadata = childMetadata(cluster, daemonSetName(cluster, pool.name));
  const spec = podSpec(input, pool);
  return {
    apiVersion: 'apps/v1',
    kind: 'DaemonSet',
    metadata: { ...metadata, labels: { ...metadata.labels, ...labels } },
    spec: {
      selector: { matchLabels: labels },
      updateStrategy: { type: 'OnDelete' },
      template: {
        metadata: {
          labels: { ...pod.labels, ...labels },
          annotations: { ...pod.annotations, [REVISION]: revisionOf(cluster.spec, { pool, spec, labels: pod.labels }) },
        },
        spec,
      },
    },
  };
}

/** Hash of all that takes a restart: the pod without its nodes, and the keys of the configuration that a node cannot change live. */
function revisionOf(
  cluster: ClusterSpec,
  from: { readonly pool: PoolSpec; readonly spec: V1PodSpec; readonly labels: ClusterSpec['pod']['labels'] },
): string {
  const { affinity: _affinity, ...pod } = from.spec;
  const { io, network } = cluster;
  return hashOf({ pod, labels: from.labels, annotations: cluster.pod.annotations, io, network, drives: from.pool.drives }).slice(0, 16);
}

function podSpec(input: DesiredInput, pool: PoolSpec): V1PodSpec {
  const { cluster } = input;
  const { pod, network, image } = cluster.spec;
  const nodeNames = input.members
    .filter((member) => member.pool === pool.name && member.state !== 'Removed')
    .map((member) => member.nodeName);
  return {
    serviceAccountName: serviceAccountName(cluster),
    automountServiceAccountToken: false,
    hostNetwork: network.host,
    dnsPolicy: network.host ? 'ClusterFirstWithHostNet' : 'ClusterFirst',
    restartPolicy: 'Always',
    terminationGracePeriodSeconds: GRACE_SECONDS,
    ...(pod.priorityClassName === undefined ? {} : { priorityClassName: pod.priorityClassName }),
    ...(image.pullSecrets === undefined ? {} : { imagePullSecrets: image.pullSecrets.map((name) => ({ name })) }),
    tolerations: tolerationsOf(input.cluster.spec) as V1Toleration[],
    affinity: {
      nodeAffinity: {
        requiredDuringSchedulingIgnoredDuringExecution: {
          nodeSelectorTerms: nodeNames.map((name) => ({ matchFields: [{ key: 'metadata.name', operator: 'In', values: [name] }] })),
        },
      },
    },
    securityContext: { runAsUser: pod.runAsUser ?? 0, seccompProfile: { type: seccompProfile(cluster.spec) } },
    containers: [container(input, pool)],
    volumes: [{ name: 'config', secret: { secretName: configSecretName(cluster), defaultMode: 0o400 } }, ...driveVolumes(pool)],
  };
}

function container(input: DesiredInput, pool: PoolSpec): V1Container {
  const { pod, network, image } = input.cluster.spec;
  return {
    name: 'node',
    image: imageOf(input.cluster.spec),
    imagePullPolicy: image.pullPolicy,
    // Why a node ended is then in its pod's status, and from there in the resource's.
    terminationMessagePolicy: 'FallbackToLogsOnError',
    command: ['node', '/app/node/main.ts'],
    args: ['--config', `${CONFIG_MOUNT}/$(NODE_NAME).toml`],
    env: [
      { name: 'NODE_NAME', valueFrom: { fieldRef: { fieldPath: 'spec.nodeName' } } },
      ...(pod.env ?? []).map(({ name, value }) => ({ name, value })),
    ],
    ports: [
      { name: 's3', containerPort: network.s3Port },
      { name: 'peer', containerPort: network.peerPort },
      { name: 'admin', containerPort: network.adminPort },
    ],
    resources: resourcesOf(input, pool),
    securityContext: containerSecurity(pool),
    volumeMounts: [{ name: 'config', mountPath: CONFIG_MOUNT, readOnly: true }, ...driveMounts(pool)],
    ...probes(network),
  };
}

/**
 * Liveness asks the data plane on the S3 port, since a hung control plane must not stop reads and writes. Start-up may
 * replay a long log, hence half an hour; readiness tells within seconds.
 */
function probes(network: ClusterSpec['network']): Required<Pick<V1Container, 'startupProbe' | 'livenessProbe' | 'readinessProbe'>> {
  const ready = { path: '/readyz', port: network.adminPort };
  const live = { path: '/-/live', port: network.s3Port };
  const probe = (httpGet: typeof ready, periodSeconds: number, failureThreshold: number, timeoutSeconds = 3): V1Probe => ({
    httpGet,
    periodSeconds,
    failureThreshold,
    timeoutSeconds,
  });
  return {
    startupProbe: probe(ready, 1, 1800),
    livenessProbe: probe(live, 10, 6, 5),
    readinessProbe: probe(ready, 2, 2),
  };
}

/** Raw devices open only in a privileged container; otherwise just what registered memory needs. */
function containerSecurity(pool: PoolSpec): V1SecurityContext {
  if (pool.drives.devices !== undefined) return { privileged: true };
  return {
    allowPrivilegeEscalation: false,
    readOnlyRootFilesystem: true,
    capabilities: { drop: ['ALL'], add: ['DAC_OVERRIDE', 'IPC_LOCK'] },
  };
}

/** The parent is mounted, so that a filesystem mounted later on the host shows up inside. */
function driveVolumes(pool: PoolSpec): V1Volume[] {
  if (pool.drives.devices !== undefined) return [{ name: 'dev', hostPath: { path: '/dev', type: 'Directory' } }];
  const { directories } = pool.drives;
  if (directories === undefined) return [];
  const type = directories.mountCheck === 'Directory' ? 'DirectoryOrCreate' : 'Directory';
  const folders = plainFolders(pool).map(({ name, path }) => ({ name, hostPath: { path, type } }));
  return [{ name: 'drives', hostPath: { path: directories.parent, type } }, ...folders];
}

/** Plain folders are made by the kubelet, which makes only what is mounted: each is a volume of its own. */
function plainFolders(pool: PoolSpec): { readonly name: string; readonly path: string }[] {
  const { directories } = pool.drives;
  if (directories?.mountCheck !== 'Directory') return [];
  return directories.names.map((name, index) => ({ name: `drive-${index}`, path: `${directories.parent}/${name}` }));
}

function driveMounts(pool: PoolSpec): V1VolumeMount[] {
  if (pool.drives.devices !== undefined) return [{ name: 'dev', mountPath: '/dev' }];
  const { directories } = pool.drives;
  if (directories === undefined) return [];
  const folders = plainFolders(pool).map(({ name, path }) => ({ name, mountPath: path }));
  return [{ name: 'drives', mountPath: directories.parent, mountPropagation: 'HostToContainer' }, ...folders];
}

/** io_uring is not in the profiles that runtimes ship. */
function seccompProfile(spec: ClusterSpec): string {
  return spec.pod.seccompProfile ?? (spec.io.engine === 'Poll' ? 'RuntimeDefault' : 'Unconfined');
}

type Quantities = Readonly<Record<string, string | number>>;

/** Beside the memory that the data plane is given: the control plane, and what the kernel keeps for connections. */
const OVERHEAD_MEBIBYTES = 512;

/** What the user wrote; where nothing is said about memory, what io.memory needs; and the RDMA device. */
function resourcesOf(input: DesiredInput, pool: PoolSpec): { requests: Record<string, string>; limits?: Record<string, string> } {
  const { pod, io, transport } = input.cluster.spec;
  const memory = `${Math.ceil(parseBytes(io.memory) / 2 ** 20) + OVERHEAD_MEBIBYTES}Mi`;
  const rdma = input.rdmaResources?.[pool.name];
  const device: Record<string, string> = rdma === undefined ? {} : { [rdma]: String(transport.rdma.count) };
  const given = pod.resources?.limits?.['memory'];
  const requests = { ...(given === undefined ? { memory } : {}), ...asText(pod.resources?.requests ?? {}), ...device };
  const limits = { ...asText(pod.resources?.limits ?? {}), ...device };
  return Object.keys(limits).length === 0 ? { requests } : { requests, limits };
}

function asText(amounts: Quantities): Record<string, string> {
  return Object.fromEntries(Object.entries(amounts).map(([name, amount]) => [name, String(amount)]));
}
