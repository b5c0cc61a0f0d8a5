/**
 * What a local cluster does differently from one on Kubernetes, in one place, each with a note to the user.
 *
 * A process has no node labels, no mounts of its own and no machine for itself. Pure.
 */
import type { OpenLakeCluster } from '../api/cluster.ts';
import type { PoolSpec } from '../api/pool.ts';
import { parseBytes } from '../api/quantity.ts';
import type { Candidate } from '../plan/membership.ts';

export type Machine = { readonly cores: number; readonly memoryBytes: number };

/** The resource as it can run on this machine, and what was changed. */
export function localize(
  cluster: OpenLakeCluster,
  machine: Machine,
): { readonly cluster: OpenLakeCluster; readonly notes: readonly string[] } {
  const notes: string[] = [];
  const nodes = cluster.spec.pools.reduce((sum, pool) => sum + pool.nodes.count, 0);
  const pools = cluster.spec.pools.map((pool) => localizePool(pool, notes));
  const { io, credentials, ...spec } = cluster.spec;
  const cores = io.cores === 'Auto' ? Math.max(1, Math.floor(machine.cores / nodes)) : io.cores;
  // Half of the machine for all nodes together; never below what a node can start with.
  const share = Math.max(64, Math.floor(machine.memoryBytes / 2 / nodes / 2 ** 20));
  const asked = Math.floor(parseBytes(io.memory) / 2 ** 20);
  if (asked > share) notes.push(`io.memory is ${share}Mi a node instead of ${io.memory}: all nodes share this machine`);
  if (credentials.root !== undefined) notes.push('root credentials are generated; Secrets exist only on Kubernetes');
  return {
    cluster: { ...cluster, spec: { ...spec, pools, credentials: {}, io: { ...io, cores, memory: `${Math.min(asked, share)}Mi` } } },
    notes,
  };
}

function localizePool(pool: PoolSpec, notes: string[]): PoolSpec {
  const { selector, ...nodes } = pool.nodes;
  if (selector !== undefined || nodes.gpu === 'Require' || nodes.rdma === 'Require') {
    notes.push(`pool ${pool.name}: selector, gpu and rdma are not looked at; this machine stands for all nodes`);
  }
  return { ...pool, nodes: { ...nodes, gpu: 'Ignore', rdma: 'Ignore' }, drives: localizeDrives(pool, notes) };
}

function localizeDrives(pool: PoolSpec, notes: string[]): PoolSpec['drives'] {
  const { directories, devices, ...rest } = pool.drives;
  if (directories !== undefined) {
    if (directories.mountCheck === 'Strict') notes.push(`pool ${pool.name}: drives are plain folders, not mount points`);
    return { ...rest, directories: { ...directories, mountCheck: 'Directory' } };
  }
  notes.push(`pool ${pool.name}: drives are plain folders, not raw devices`);
  const names = (devices?.paths ?? []).map((_, index) => `device${index}`);
  return { ...rest, directories: { parent: '/mnt/openlake', names, mountCheck: 'Directory' } };
}

/** How many nodes the pools need, and what they are called: by nodes.names, else POOL-0, POOL-1, ... */
export function localNodeNames(cluster: OpenLakeCluster): string[] {
  return cluster.spec.pools.flatMap(
    (pool) => pool.nodes.names ?? Array.from({ length: pool.nodes.count }, (_, index) => `${pool.name}-${index}`),
  );
}

/** Nodes for membership to choose from; the first pool takes the first ones. */
export function localCandidates(names: readonly string[], addresses: readonly string[]): Candidate[] {
  return names.map((name, index) => ({ name, address: addresses[index] ?? '', labels: {}, resources: [] }));
}
