/** A Node as planning sees it: address, labels, what it has to give, and whether it is fit at all. */
import type { V1Node } from '@kubernetes/client-node';
import type { ObservedNode } from '../plan/snapshot.ts';

/** The facts of a node. Resources are named when their allocatable amount is above zero. */
export function observeNode(node: V1Node): ObservedNode {
  const address = node.status?.addresses?.find((candidate) => candidate.type === 'InternalIP')?.address ?? '';
  const ready = node.status?.conditions?.some((condition) => condition.type === 'Ready' && condition.status === 'True') ?? false;
  const cordoned = node.spec?.unschedulable === true;
  const resources = Object.entries(node.status?.allocatable ?? {})
    .filter(([, amount]) => !/^0+(\.0+)?[A-Za-z]*$/.test(amount))
    .map(([name]) => name);
  return {
    name: node.metadata?.name ?? '',
    address,
    labels: node.metadata?.labels ?? {},
    resources: resources.toSorted(),
    taints: (node.spec?.taints ?? []).map(({ key, value, effect }) => ({ key, value, effect })),
    ready,
    cordoned,
    unfit: whyUnfit({
      address,
      ready,
      cordoned,
      isLeaving: node.metadata?.deletionTimestamp !== undefined,
      system: node.status?.nodeInfo?.operatingSystem ?? 'linux',
    }),
  };
}

function whyUnfit(node: {
  readonly address: string;
  readonly ready: boolean;
  readonly cordoned: boolean;
  readonly isLeaving: boolean;
  readonly system: string;
}): string | undefined {
  if (node.isLeaving) return 'is being removed';
  if (node.system !== 'linux') return `runs ${node.system}, not linux`;
  if (node.address === '') return 'has no InternalIP address';
  if (!node.ready) return 'is not Ready';
  return node.cordoned ? 'is cordoned' : undefined;
}
