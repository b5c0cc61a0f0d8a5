/**
 * Which taints of a node keep storage pods away: a member whose node does not let its pod in would never serve.
 */
import type { ClusterSpec } from '../api/cluster.ts';

export type Toleration = NonNullable<ClusterSpec['pod']['tolerations']>[number];

export type Taint = { readonly key: string; readonly value?: string | undefined; readonly effect: string };

/** Of storage pods and guards: the taints of GPU nodes, and what the resource adds. */
export function tolerationsOf(spec: ClusterSpec): Toleration[] {
  return [
    { key: 'nvidia.com/gpu', operator: 'Exists' },
    { key: 'amd.com/gpu', operator: 'Exists' },
    ...(spec.pod.tolerations ?? []).map((toleration) => ({ ...toleration })),
  ];
}

/**
 * The first taint that keeps pods away. Those below node.kubernetes.io/ come and go with the node's conditions, and pods of
 * a DaemonSet tolerate them.
 */
export function untoleratedTaint(taints: readonly Taint[], tolerations: readonly Toleration[]): Taint | undefined {
  return taints.find(
    (taint) =>
      taint.effect !== 'PreferNoSchedule' &&
      !taint.key.startsWith('node.kubernetes.io/') &&
      !tolerations.some((toleration) => tolerates(toleration, taint)),
  );
}

function tolerates(toleration: Toleration, taint: Taint): boolean {
  if (toleration.effect !== undefined && toleration.effect !== taint.effect) return false;
  if (toleration.operator === 'Exists') return toleration.key === undefined || toleration.key === taint.key;
  return toleration.key === taint.key && (toleration.value ?? '') === (taint.value ?? '');
}

/** As `kubectl taint` writes it. */
export function taintText({ key, value, effect }: Taint): string {
  return `${key}${value === undefined || value === '' ? '' : `=${value}`}:${effect}`;
}
