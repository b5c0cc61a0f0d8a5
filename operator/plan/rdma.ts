/**
 * Which RDMA device a pool's pods ask for. Chosen together with the members and recorded: a device plugin that forgets its
 * devices for a while must not start a rolling restart.
 */
import type { ClusterSpec } from '../api/cluster.ts';
import type { ClusterStatus, MemberStatus } from '../api/status.ts';
import type { Candidate } from './membership.ts';

/** One entry for each pool that asks for a device. Auto: the one rdma/ name that all members offer; none or several: none. */
export function chooseRdma(
  spec: ClusterSpec,
  from: { readonly members: readonly MemberStatus[]; readonly nodes: readonly Candidate[]; readonly recorded: ClusterStatus['rdma'] },
): NonNullable<ClusterStatus['rdma']> {
  const wanted = spec.transport.rdma.resource;
  return spec.pools.flatMap((pool) => {
    if (wanted === 'None') return [];
    if (wanted !== 'Auto') return [{ pool: pool.name, resource: wanted }];
    if (pool.nodes.rdma === 'Ignore') return [];
    if (from.recorded !== undefined) return from.recorded.filter((entry) => entry.pool === pool.name);
    const members = from.members.filter((member) => member.pool === pool.name);
    const offers = members.map(({ nodeName }) => from.nodes.find((node) => node.name === nodeName)?.resources ?? []);
    const shared = (offers[0] ?? []).filter((name) => name.startsWith('rdma/') && offers.every((offer) => offer.includes(name)));
    const [only] = shared;
    return shared.length === 1 && only !== undefined ? [{ pool: pool.name, resource: only }] : [];
  });
}
