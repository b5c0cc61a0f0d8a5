/**
 * Which nodes become members of a pool. Decided once per pool, then written to status; after that status rules.
 *
 * Eligibility is a chain of named predicates, so that every node that was passed over can be shown with its reason.
 */
import type { OpenLakeCluster } from '../api/cluster.ts';
import type { PoolSpec } from '../api/pool.ts';
import type { MemberStatus } from '../api/status.ts';
import { type Taint, type Toleration, taintText, tolerationsOf, untoleratedTaint } from '../desired/tolerations.ts';

/** A node as far as membership looks at it. */
export type Candidate = {
  readonly name: string;
  readonly address: string;
  readonly labels: Readonly<Record<string, string>>;
  /** Allocatable resources with an amount above 0. */
  readonly resources: readonly string[];
  readonly taints?: readonly Taint[];
  /** What is wrong with the node itself, whatever a pool asks for: it is not ready, is cordoned, belongs to another cluster. */
  readonly unfit?: string | undefined;
};

export type Rejection = { readonly nodeName: string; readonly pool: string; readonly reason: string };

export type Membership =
  | { readonly kind: 'ok'; readonly members: readonly MemberStatus[]; readonly rejected: readonly Rejection[] }
  | {
      readonly kind: 'short';
      readonly pool: string;
      readonly found: number;
      readonly wanted: number;
      readonly rejected: readonly Rejection[];
    };

const GPU_LABELS = [
  'nvidia.com/gpu.present',
  'feature.node.kubernetes.io/pci-10de.present',
  'feature.node.kubernetes.io/pci-0302_10de.present',
  'feature.node.kubernetes.io/pci-0300_10de.present',
  'feature.node.kubernetes.io/amd-gpu',
] as const;
const GPU_RESOURCES = ['nvidia.com/gpu', 'amd.com/gpu'] as const;
const RDMA_LABELS = [
  'feature.node.kubernetes.io/rdma.available',
  'feature.node.kubernetes.io/rdma.capable',
  'feature.node.kubernetes.io/pci-15b3.present',
  'feature.node.kubernetes.io/pci-0200_15b3.present',
  'feature.node.kubernetes.io/pci-0207_15b3.present',
] as const;
const OFED_WAIT = 'network.nvidia.com/operator.mofed.wait';

/** Members for every pool of the resource; those in `members` stay as they are, ids continue after the highest. */
export function chooseMembers(
  cluster: OpenLakeCluster,
  nodes: { readonly candidates: readonly Candidate[]; readonly members: readonly MemberStatus[] },
): Membership {
  const members = [...nodes.members];
  const rejected: Rejection[] = [];
  const tolerations = tolerationsOf(cluster.spec);
  for (const pool of cluster.spec.pools) {
    if (members.some((member) => member.pool === pool.name)) continue;
    const judged = nodes.candidates.map((candidate) => {
      const holder = members.find((member) => member.nodeName === candidate.name);
      const reason = holder === undefined ? whyNot(candidate, pool, { tolerations }) : `is a member of pool ${holder.pool} already`;
      return { candidate, reason };
    });
    const eligible = judged.flatMap(({ candidate, reason }) => (reason === undefined ? [candidate] : []));
    rejected.push(...missing(nodes.candidates, pool), ...passedOver(judged, pool));
    const wanted = pool.nodes.count;
    if (eligible.length < wanted) return { kind: 'short', pool: pool.name, found: eligible.length, wanted, rejected };
    const firstId = members.reduce((next, member) => Math.max(next, member.id + 1), 0);
    for (const [index, node] of spread(eligible, pool).slice(0, wanted).entries()) {
      members.push({ id: firstId + index, pool: pool.name, nodeName: node.name, address: node.address, zone: zoneOf(node, pool) });
    }
  }
  return { kind: 'ok', members, rejected };
}

/** Named by the pool, and not there. */
function missing(candidates: readonly Candidate[], pool: PoolSpec): Rejection[] {
  const absent = (pool.nodes.names ?? []).filter((name) => !candidates.some((candidate) => candidate.name === name));
  return absent.map((nodeName) => ({ nodeName, pool: pool.name, reason: 'does not exist' }));
}

/** Those that were meant first, since a large cluster has hundreds of others. */
function passedOver(
  judged: readonly { readonly candidate: Candidate; readonly reason: string | undefined }[],
  pool: PoolSpec,
): Rejection[] {
  const rank = (node: Candidate): number => (isMeant(node, pool) ? 0 : 1);
  return judged
    .toSorted((left, right) => rank(left.candidate) - rank(right.candidate) || compareNames(left.candidate.name, right.candidate.name))
    .flatMap(({ candidate, reason }) => (reason === undefined ? [] : [{ nodeName: candidate.name, pool: pool.name, reason }]));
}

function isMeant(node: Candidate, { nodes: { names, selector } }: PoolSpec): boolean {
  return names === undefined ? unmatched(node.labels, selector) === undefined : names.includes(node.name);
}

/** Why a node cannot be chosen for the pool; undefined when it can. */
export function whyNot(
  node: Candidate,
  pool: PoolSpec,
  options: { readonly tolerations: readonly Toleration[] } = { tolerations: [] },
): string | undefined {
  const { names, gpu, rdma, selector } = pool.nodes;
  if (names !== undefined) return names.includes(node.name) ? (node.unfit ?? keptAway(node, options.tolerations)) : 'is not in nodes.names';
  const mismatch = unmatched(node.labels, selector);
  if (mismatch !== undefined) return mismatch;
  if (gpu === 'Require' && !hasGpu(node))
    return `has no GPU: none of the labels ${GPU_LABELS.join(', ')} and no ${GPU_RESOURCES.join(' or ')}`;
  if (rdma === 'Require' && !hasRdma(node)) return `has no RDMA: none of the labels ${RDMA_LABELS.join(', ')} and no rdma/ resource`;
  if (rdma !== 'Ignore' && node.labels[OFED_WAIT] === 'true') return `its network driver is not ready: ${OFED_WAIT}=true`;
  const lacking = pool.nodes.resources?.find((name) => !node.resources.includes(name));
  if (lacking !== undefined) return `has no ${lacking} to give`;
  return node.unfit ?? keptAway(node, options.tolerations);
}

function keptAway(node: Candidate, tolerations: readonly Toleration[]): string | undefined {
  const taint = untoleratedTaint(node.taints ?? [], tolerations);
  return taint === undefined ? undefined : `has the taint ${taintText(taint)}, which pod.tolerations does not tolerate`;
}

function hasGpu(node: Candidate): boolean {
  return GPU_LABELS.some((label) => node.labels[label] === 'true') || GPU_RESOURCES.some((name) => node.resources.includes(name));
}

function hasRdma(node: Candidate): boolean {
  return RDMA_LABELS.some((label) => node.labels[label] === 'true') || node.resources.some((name) => name.startsWith('rdma/'));
}

function unmatched(labels: Candidate['labels'], selector: PoolSpec['nodes']['selector']): string | undefined {
  for (const [key, value] of Object.entries(selector?.matchLabels ?? {})) {
    if (labels[key] !== value) return `label ${key} is ${labels[key] ?? 'absent'}, not ${value}`;
  }
  for (const { key, operator, values } of selector?.matchExpressions ?? []) {
    const found = labels[key];
    const listed = found !== undefined && (values ?? []).includes(found);
    const fits = { In: listed, NotIn: !listed, Exists: found !== undefined, DoesNotExist: found === undefined }[operator];
    if (!fits)
      return `label ${key} is ${found ?? 'absent'}, which ${operator} ${(values ?? []).join(', ')} does not match`.replace('  ', ' ');
  }
  return undefined;
}

function zoneOf(node: Candidate, pool: PoolSpec): string {
  return node.labels[pool.nodes.topologyKey] ?? '';
}

/** In the order of nodes.names; else one of each zone in turn, nodes with RDMA first where it is preferred, then by name. */
function spread(eligible: readonly Candidate[], pool: PoolSpec): Candidate[] {
  const { names, rdma } = pool.nodes;
  if (names !== undefined) return eligible.toSorted((left, right) => names.indexOf(left.name) - names.indexOf(right.name));
  const rank = (node: Candidate): number => (rdma === 'Prefer' && !hasRdma(node) ? 1 : 0);
  const sorted = eligible.toSorted((left, right) => rank(left) - rank(right) || compareNames(left.name, right.name));
  const zones = Map.groupBy(sorted, (node) => zoneOf(node, pool));
  const turns = [...zones.values()].flatMap((nodes) => nodes.map((node, turn) => ({ node, turn })));
  return turns.toSorted((left, right) => rank(left.node) - rank(right.node) || left.turn - right.turn).map(({ node }) => node);
}

/** gpu-2 before gpu-10. */
function compareNames(left: string, right: string): number {
  return left.localeCompare(right, 'en', { numeric: true }) || (left < right ? -1 : 1);
}
