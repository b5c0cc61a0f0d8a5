/**
 * The layout of a cluster: which sets its pools have, computed once and then read back from status for ever.
 *
 * Sets that status knows are returned as they stand; only pools without sets get new ones. So a newer operator with
 * another layout function cannot move a slot.
 */
import { layoutHash } from '../../node/layout/hash.ts';
import { describeSet, type ErasureSet, layoutPool } from '../../node/layout/layout.ts';
import { type Coding, defaultCoding } from '../../node/layout/quorum.ts';
import type { PoolSpec } from '../api/pool.ts';
import { drivesPerNode } from '../api/rules.ts';
import type { LayoutStatus, MemberStatus } from '../api/status.ts';

export type LayoutResult =
  | { readonly kind: 'ok'; readonly layout: LayoutStatus; readonly warnings: readonly string[] }
  | { readonly kind: 'impossible'; readonly pool: string; readonly message: string };

/** The layout for these pools and members; `recorded` is status.layout, absent on the first call. */
export function desiredLayout(
  input: { readonly pools: readonly PoolSpec[]; readonly members: readonly MemberStatus[] },
  recorded?: LayoutStatus,
): LayoutResult {
  const sets: ErasureSet[] = recorded === undefined ? [] : decodeSets(recorded);
  let changed = false;
  for (const pool of input.pools) {
    if (sets.some((set) => set.pool === pool.name)) continue;
    const coding = codingOf(pool);
    if (coding === undefined) {
      return { kind: 'impossible', pool: pool.name, message: noDefault(pool.nodes.count, drivesPerNode(pool)) };
    }
    const nodes = input.members.filter((member) => member.pool === pool.name).map((member) => ({ id: member.id, zone: member.zone }));
    const firstSetId = sets.reduce((next, set) => Math.max(next, set.id + 1), 0);
    sets.push(...layoutPool({ pool: pool.name, nodes, drivesPerNode: drivesPerNode(pool), ...coding, weight: pool.weight, firstSetId }));
    changed = true;
  }
  const epoch = (recorded?.epoch ?? 0) + (changed ? 1 : 0);
  const layout: LayoutStatus = {
    epoch,
    hash: layoutHash({ epoch, sets }),
    sets: sets.map((set) => ({ ...set, slots: set.slots.map((slot) => `${slot.node}/${slot.drive}`) })),
    pools: input.pools.map((pool) => describePool(pool.name, sets)),
  };
  return { kind: 'ok', layout, warnings: [...layout.pools.flatMap(warnPool), ...warnRestarts(layout), ...warnZones(input.members)] };
}

/** Sets with their slots as numbers, from the compact form of status. */
export function decodeSets(layout: LayoutStatus): ErasureSet[] {
  return layout.sets.map((set) => ({
    ...set,
    slots: set.slots.map((slot) => {
      const [node, drive] = slot.split('/');
      return { node: Number(node), drive: Number(drive) };
    }),
  }));
}

function codingOf(pool: PoolSpec): Coding | undefined {
  if (pool.erasure === undefined) return defaultCoding(pool.nodes.count, drivesPerNode(pool));
  return { data: pool.erasure.setSize - pool.erasure.parity, parity: pool.erasure.parity };
}

/** Erasure is immutable, so it can only be written into a new resource; nothing was stored yet. */
function noDefault(nodes: number, drives: number): string {
  const sizes = [];
  for (let size = 2; size <= 16; size += 1) if ((nodes * drives) % size === 0) sizes.push(size);
  const what = `${nodes} nodes x ${drives} drives have no default coding that keeps writes on without one node`;
  return sizes.length === 0
    ? `${what}, and no set size from 2 to 16 divides ${nodes * drives}: it needs another nodes.count`
    : `${what}: it needs erasure.setSize (${sizes.join(' or ')}) and erasure.parity, both written when the resource is created`;
}

type PoolStatus = LayoutStatus['pools'][number];

/** The worst that any set of the pool tolerates. */
function describePool(name: string, sets: readonly ErasureSet[]): PoolStatus {
  const described = sets.filter((set) => set.pool === name).map((set) => ({ set, ...describeSet(set) }));
  const worst = described.reduce((left, right) => (right.drivesPerNode > left.drivesPerNode ? right : left));
  return {
    name,
    setSize: worst.quorums.size,
    parity: worst.set.parity,
    writeQuorum: worst.quorums.write,
    readQuorum: worst.quorums.read,
    writesLose: worst.tolerance.writesLose,
    readsLose: worst.tolerance.readsLose,
  };
}

/**
 * Pools whose nodes can never restart without a person's approval, as a sentence; undefined where there are none. `keep` is
 * what must go on meanwhile.
 *
 * Writes (or reads) must go on without the node. Versions that lack shards say nothing about that: a restart waits until they are healed.
 */
export function cannotSpareNode(layout: LayoutStatus, keep: 'KeepWritable' | 'KeepReadable'): string | undefined {
  const worst = new Map<string, string>();
  for (const set of decodeSets(layout)) {
    const { tolerance: losses, drivesPerNode: most } = describeSet(set);
    const coding = `pool ${set.pool} (${set.data}+${set.parity}, ${most} of a set's slots on one node)`;
    const lost = keep === 'KeepWritable' ? losses.writesLose : losses.readsLose;
    if (lost.nodes === 0) worst.set(set.pool, `${coding}: ${keep === 'KeepWritable' ? 'writes' : 'reads'} stop while one node is away`);
  }
  return worst.size === 0 ? undefined : [...worst.values()].join('; ');
}

/** Allowed, but somebody should know. */
function warnPool(pool: PoolStatus): string[] {
  const data = pool.setSize - pool.parity;
  return [
    ...(pool.writesLose.nodes === 0 ? [`pool ${pool.name}: writes stop while any one node is away (${data}+${pool.parity})`] : []),
    ...(pool.readsLose.nodes === 0 ? [`pool ${pool.name}: reads stop while any one node is away (${data}+${pool.parity})`] : []),
    ...(pool.parity === 1
      ? [`pool ${pool.name}: with one parity shard a write made while a drive is away has no spare shard until healed`]
      : []),
    ...(pool.parity > data
      ? [`pool ${pool.name}: more parity than data shards (${data}+${pool.parity}), under half of the space is usable`]
      : []),
  ];
}

function warnRestarts(layout: LayoutStatus): string[] {
  const why = cannotSpareNode(layout, 'KeepReadable');
  return why === undefined ? [] : [`a rolling restart would need approval: ${why}`];
}

function warnZones(members: readonly MemberStatus[]): string[] {
  const zones = new Set(members.map((member) => member.zone).filter((zone) => zone !== ''));
  return zones.size === 1 && members.length > 1 ? [`all nodes are in one zone, ${[...zones].join('')}`] : [];
}
