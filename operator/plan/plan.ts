/**
 * From a resource and what is known about it to the children to apply, or the reason why not. Pure.
 *
 * Order: members, layout, children. What was decided before (status) is an input and wins over anything computed anew.
 */
import type { OpenLakeCluster } from '../api/cluster.ts';
import type { LayoutStatus, MemberStatus } from '../api/status.ts';
import type { ClusterSecrets } from '../desired/config.ts';
import { type Children, desiredChildren } from '../desired/desired.ts';
import { desiredLayout } from '../desired/layout.ts';
import { type Candidate, chooseMembers, type Rejection } from './membership.ts';

export type PlanInput = {
  readonly cluster: OpenLakeCluster;
  readonly candidates: readonly Candidate[];
  readonly secrets: ClusterSecrets;
  /** Device-plugin resource for RDMA by pool; pools that are absent ask for none. */
  readonly rdmaResources?: Readonly<Record<string, string>>;
  /** What status holds, all absent for a new cluster except the id, which is generated before planning. */
  readonly recorded: {
    readonly clusterId: string;
    readonly bootstrapped: boolean;
    readonly members: readonly MemberStatus[];
    readonly layout: LayoutStatus | undefined;
  };
};

export type Plan =
  | {
      readonly kind: 'apply';
      readonly members: readonly MemberStatus[];
      readonly layout: LayoutStatus;
      readonly children: Children;
      readonly warnings: readonly string[];
    }
  | {
      readonly kind: 'blocked';
      readonly reason: 'NodesNotEligible' | 'LayoutImpossible';
      readonly message: string;
      readonly rejected: readonly Rejection[];
    };

/** Of nodes that share a reason this many are named. */
const NAMED_NODES = 5;

/** What to apply for the cluster now. */
export function plan(input: PlanInput): Plan {
  const { cluster, recorded } = input;
  const membership = chooseMembers(cluster, { candidates: input.candidates, members: recorded.members });
  if (membership.kind === 'short') {
    const { pool, found, wanted } = membership;
    return {
      kind: 'blocked',
      reason: 'NodesNotEligible',
      message: `pool ${pool} needs ${wanted} nodes, ${found} are eligible${list(membership.rejected)}`,
      rejected: membership.rejected,
    };
  }
  const layout = desiredLayout({ pools: cluster.spec.pools, members: membership.members }, recorded.layout);
  if (layout.kind === 'impossible')
    return { kind: 'blocked', reason: 'LayoutImpossible', message: `pool ${layout.pool}: ${layout.message}`, rejected: [] };
  const children = desiredChildren({
    cluster,
    clusterId: recorded.clusterId,
    bootstrapped: recorded.bootstrapped,
    members: membership.members,
    layout: layout.layout,
    secrets: input.secrets,
    ...(input.rdmaResources === undefined ? {} : { rdmaResources: input.rdmaResources }),
  });
  return { kind: 'apply', members: membership.members, layout: layout.layout, children, warnings: layout.warnings };
}

/** Nodes with the same reason in one line, as a message has room for a few lines only; all are in status.candidates. */
function list(rejected: readonly Rejection[]): string {
  return [...Map.groupBy(rejected, ({ reason }) => reason)]
    .map(([reason, nodes]) => {
      const named = nodes.slice(0, NAMED_NODES).map(({ nodeName }) => nodeName);
      const more = nodes.length > NAMED_NODES ? ` and ${nodes.length - NAMED_NODES} more` : '';
      return `\n  ${named.join(', ')}${more}: ${reason}`;
    })
    .join('');
}
