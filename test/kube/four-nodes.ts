/** The cluster that most tests on a control plane begin with: one pool of four nodes with a drive each, 2 + 2. */
import { GPU_AND_RDMA } from './fake-node.ts';
import { type KubeCluster, startKubeCluster } from './kube-cluster.ts';
import { sharedControlPlane } from './shared.ts';

/** `spec.pools` of the resource. */
export const FOUR_NODE_POOLS: readonly object[] = [
  {
    name: 'p0',
    nodes: { count: 4 },
    drives: { directories: { parent: '/mnt/openlake', names: ['d0'], mountCheck: 'Directory' } },
    erasure: { setSize: 4, parity: 2 },
  },
];

/** Four nodes that such a pool takes; neither operator nor resource is there yet. */
export async function startFourNodes(): Promise<KubeCluster> {
  const node = { labels: GPU_AND_RDMA };
  return startKubeCluster(await sharedControlPlane(), { nodes: [node, node, node, node], drives: ['/mnt/openlake/d0'] });
}
