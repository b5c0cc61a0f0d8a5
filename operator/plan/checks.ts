/**
 * Judgements about a running cluster that stop nothing, or stop changes only: pools that came or went, labels that were
 * lost, configurations that are not in force yet.
 */
import { createHash } from 'node:crypto';
import type { OpenLakeCluster } from '../api/cluster.ts';
import type { ClusterStatus, MemberStatus } from '../api/status.ts';
import type { PeerTlsSettings } from '../desired/peer-tls.ts';
import { type Judgement, no, yes } from './conditions.ts';
import type { MemberFacts } from './members.ts';
import { whyNot } from './membership.ts';
import type { ObservedNode } from './snapshot.ts';

export type PoolsVerdict =
  | { readonly kind: 'stop'; readonly judgement: Judgement }
  /** The resource with the pools that take part. */
  | { readonly kind: 'go'; readonly cluster: OpenLakeCluster; readonly judgement: Judgement | undefined };

/** Pools of a cluster with a recorded layout: none may be missing, new ones are not used yet. */
export function judgePools(cluster: OpenLakeCluster, status: ClusterStatus): PoolsVerdict {
  const known = status.layout?.pools.map((pool) => pool.name);
  if (known === undefined) return { kind: 'go', cluster, judgement: undefined };
  const gone = known.filter((name) => !cluster.spec.pools.some((pool) => pool.name === name));
  if (gone.length > 0) {
    const message = `pool ${gone.join(', ')} left the spec but holds data; it keeps running, and nothing is changed until it is back`;
    return { kind: 'stop', judgement: no('PoolNotDrained', message) };
  }
  const added = cluster.spec.pools.filter((pool) => !known.includes(pool.name));
  if (added.length === 0) return { kind: 'go', cluster, judgement: undefined };
  const pools = cluster.spec.pools.filter((pool) => known.includes(pool.name));
  const message = `pool ${added.map((pool) => pool.name).join(', ')} is not used: this release cannot add pools to a cluster with data`;
  return { kind: 'go', cluster: { ...cluster, spec: { ...cluster.spec, pools } }, judgement: no('ExpansionNotSupported', message) };
}

/** Members that would not be chosen today, or whose node is gone; they stay all the same. */
export function judgeMembership(
  cluster: OpenLakeCluster,
  from: { readonly members: readonly MemberStatus[]; readonly nodes: readonly ObservedNode[] },
): Judgement | undefined {
  const gone: string[] = [];
  const lost: string[] = [];
  for (const { id, nodeName, pool: name } of from.members) {
    const node = from.nodes.find((candidate) => candidate.name === nodeName);
    const pool = cluster.spec.pools.find((candidate) => candidate.name === name);
    // A node that is cordoned, tainted or not ready for now is the members' state, not a question of membership.
    const reason = node === undefined || pool === undefined ? undefined : whyNot({ ...node, unfit: undefined, taints: [] }, pool);
    if (node === undefined) gone.push(`member ${id}: node ${nodeName} does not exist`);
    else if (reason !== undefined) lost.push(`member ${id} stays although node ${nodeName} ${reason}`);
  }
  if (gone.length > 0) return no('NodeGone', [...gone, ...lost].join('; '));
  return lost.length > 0 ? no('LabelsLost', lost.join('; ')) : undefined;
}

/** Nodes of a cluster to adopt that another cluster holds by now: two clusters cannot share ports and drives. */
export function judgeTaken(
  members: readonly MemberStatus[],
  nodes: readonly ObservedNode[],
): { readonly nodeName: string; readonly pool: string; readonly reason: string }[] {
  return members.flatMap(({ id, nodeName, pool }) => {
    const holder = nodes.find((node) => node.name === nodeName)?.holder;
    return holder === undefined ? [] : [{ nodeName, pool, reason: `was member ${id}, and is a member of cluster ${holder} now` }];
  });
}

/** Whether every node that answers uses the newest configuration. */
export function judgeConfig(members: readonly MemberFacts[], hashes: ReadonlyMap<string, string>): Judgement | undefined {
  const refusals: string[] = [];
  const waiting: string[] = [];
  for (const { member, answer } of members) {
    if (answer?.config === undefined) continue;
    const { hash, refusal } = answer.config;
    if (refusal !== '') refusals.push(`member ${member.id} (${member.nodeName}): ${refusal}`);
    else if (hash !== hashes.get(member.nodeName)) waiting.push(`${member.id} (${member.nodeName})`);
  }
  if (refusals.length > 0) return no('ConfigRefused', refusals.join('; '));
  return waiting.length > 0
    ? no('ConfigPending', `members that do not use the newest configuration yet: ${waiting.join(', ')}`)
    : undefined;
}

/** One hash for the configurations of all members, from that of each in their order. */
export function sumOfHashes(hashes: readonly string[]): string {
  return createHash('sha256').update(hashes.join('\n')).digest('hex');
}

/** What the nodes say about the links between them. */
export function judgeLinks(members: readonly MemberFacts[], told: PeerTlsSettings | undefined): Judgement {
  if (told === undefined) return no('TlsDisabled', 'links between nodes are authenticated, but not encrypted');
  const views = members.flatMap(({ answer }) => (answer?.view?.peers === undefined ? [] : [answer.view]));
  if (views.length === 0) return { status: 'Unknown', reason: 'LinksNotEncrypted', message: 'no node says anything about its links' };
  const open = views.flatMap(({ nodeId, peers = [] }) =>
    peers.filter((peer) => peer.connected && !peer.encrypted).map((peer) => `${nodeId} to ${peer.nodeId}`),
  );
  if (open.length > 0) return no('LinksNotEncrypted', `links without TLS, by members: ${open.join(', ')}`);
  const accepting = 'nodes accept links without TLS too, so somebody who can change what passes between them can make them go without';
  return yes('LinksEncrypted', told.mode === 'require' ? 'nodes require TLS' : accepting);
}
