/**
 * What makes a drain wait: a tiny pod beside every member, and a disruption budget over these pods.
 *
 * A budget does not protect the pods of a DaemonSet (it has no scale, and drains skip them). But a drain must evict the
 * guard pod first, and the API server refuses that while too few guards are ready. A guard is ready exactly when its node
 * is whole, so the second drain waits until the first node is back, with or without an operator.
 */
import type { V1Deployment, V1PodDisruptionBudget, V1Toleration } from '@kubernetes/client-node';
import type { DesiredInput } from './config.ts';
import { imageOf } from './image.ts';
import { childMetadata, guardLabels, guardName } from './names.ts';
import { tolerationsOf } from './tolerations.ts';

export type Guard = { readonly deployment: V1Deployment; readonly budget: V1PodDisruptionBudget };

/** Waits for ever; the end of its short grace period ends it. */
const WAIT = 'Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0)';

/** The guard of a cluster; undefined where the resource turns it off. */
export function desiredGuard(input: DesiredInput): Guard | undefined {
  const { cluster } = input;
  const { disruption } = cluster.spec;
  if (!disruption.guard) return undefined;
  const metadata = childMetadata(cluster, guardName(cluster));
  const labels = guardLabels(cluster);
  return {
    deployment: {
      apiVersion: 'apps/v1',
      kind: 'Deployment',
      metadata: { ...metadata, labels: { ...metadata.labels, ...labels } },
      spec: {
        replicas: input.members.length,
        selector: { matchLabels: labels },
        // A surge pod would find no node without a guard.
        strategy: { type: 'RollingUpdate', rollingUpdate: { maxSurge: 0, maxUnavailable: 1 } },
        template: { metadata: { labels }, spec: guardPod(input, labels) },
      },
    },
    budget: {
      apiVersion: 'policy/v1',
      kind: 'PodDisruptionBudget',
      metadata: { ...metadata, labels: { ...metadata.labels, ...labels } },
      spec: {
        maxUnavailable: spareNodes(input),
        selector: { matchLabels: labels },
        // The one broken node may be drained while all others are whole; a half-broken one not while another is away.
        unhealthyPodEvictionPolicy: 'IfHealthyBudget',
      },
    },
  };
}

/** Nodes that may be away at a time; at least one, since a budget of none would block every drain for ever. */
function spareNodes(input: DesiredInput): number {
  const { keep, maxUnavailableNodes } = input.cluster.spec.disruption;
  const spare = input.layout.pools.map((pool) => (keep === 'Writable' ? pool.writesLose.nodes : pool.readsLose.nodes));
  return Math.max(1, Math.min(maxUnavailableNodes, ...spare));
}

function guardPod(
  input: DesiredInput,
  labels: Readonly<Record<string, string>>,
): NonNullable<NonNullable<V1Deployment['spec']>['template']['spec']> {
  const { network, image } = input.cluster.spec;
  const terms = input.members.map(({ nodeName }) => ({ matchFields: [{ key: 'metadata.name', operator: 'In', values: [nodeName] }] }));
  return {
    automountServiceAccountToken: false,
    // The node's own address is where the probe goes, as the host field of a probe is forbidden by the baseline policy.
    hostNetwork: network.host,
    terminationGracePeriodSeconds: 1,
    ...(image.pullSecrets === undefined ? {} : { imagePullSecrets: image.pullSecrets.map((name) => ({ name })) }),
    tolerations: tolerationsOf(input.cluster.spec) as V1Toleration[],
    affinity: {
      nodeAffinity: { requiredDuringSchedulingIgnoredDuringExecution: { nodeSelectorTerms: terms } },
      podAntiAffinity: {
        requiredDuringSchedulingIgnoredDuringExecution: [
          { labelSelector: { matchLabels: { ...labels } }, topologyKey: 'kubernetes.io/hostname' },
        ],
      },
    },
    securityContext: { runAsNonRoot: true, runAsUser: 65532, seccompProfile: { type: 'RuntimeDefault' } },
    containers: [
      {
        name: 'guard',
        image: imageOf(input.cluster.spec),
        imagePullPolicy: image.pullPolicy,
        command: ['node', '-e', WAIT],
        resources: { requests: { cpu: '1m', memory: '48Mi' }, limits: { memory: '96Mi' } },
        securityContext: { allowPrivilegeEscalation: false, readOnlyRootFilesystem: true, capabilities: { drop: ['ALL'] } },
        readinessProbe: {
          httpGet: { path: '/wholez', port: network.adminPort },
          periodSeconds: 2,
          failureThreshold: 2,
          timeoutSeconds: 3,
        },
      },
    ],
  };
}
