/**
 * The state of every set, from what the nodes say about it, cross-checked.
 *
 * One node's view may be old or cut off, so a state needs two nodes that agree on it; in a cluster of one node its view
 * is enough. Where no two agree, or views are older than 10 s, the state is Unknown.
 */
import { type Coding, quorums } from '../../node/layout/quorum.ts';
import type { LayoutStatus } from '../api/status.ts';

export type SetState = 'Healthy' | 'Degraded' | 'ReadOnly' | 'Offline' | 'Unknown';

/** What one node says about one set. */
export type SetView = {
  readonly id: number;
  readonly voting: number;
  readonly slots: readonly {
    readonly slot: number;
    readonly nodeId: number;
    readonly drive: number;
    readonly state: string;
    readonly reason?: string | undefined;
    /** Of the slots of the node that says it. */
    readonly heal?: string | undefined;
  }[];
};

/** All that one node said, and when. */
export type NodeView = {
  readonly nodeId: number;
  readonly atMs: number;
  readonly sets: readonly SetView[];
  /** Keys of which it remembers that slots elsewhere missed them; undefined where it does not say. */
  readonly hintsHeld?: number | undefined;
  /** Its links to others; undefined where it does not say. */
  readonly peers?: readonly { readonly nodeId: number; readonly connected: boolean; readonly encrypted: boolean }[] | undefined;
};

export type SetHealth = {
  readonly id: number;
  readonly pool: string;
  readonly data: number;
  readonly parity: number;
  readonly writeQuorum: number;
  readonly readQuorum: number;
  readonly state: SetState;
  readonly voting: number;
  /** Slots that do not serve, and why Unknown. */
  readonly reason: string;
  /** Slots that take part as the witnesses see it, as node id and number of its slots. */
  readonly serving: Readonly<Record<number, number>>;
  /** Nodes whose views stand behind the state. */
  readonly witnesses: readonly number[];
  /** The fewest shards that any acknowledged version may have on slots that take part. */
  readonly minShards: number;
  /** Why not every version has all its shards, in words; empty where each has. */
  readonly healing: string;
};

/** A view older than this says nothing about now. */
const MAXIMUM_AGE_MS = 10_000;

/** The health of every set of the layout; `nowMs` on the clock that stamped the views. */
export function mergeSetViews(
  layout: LayoutStatus,
  seen: { readonly views: readonly NodeView[]; readonly nowMs: number; readonly nodes: number },
): SetHealth[] {
  const fresh = believeOwners(seen.views.filter((view) => seen.nowMs - view.atMs <= MAXIMUM_AGE_MS));
  const needed = Math.min(2, seen.nodes);
  return layout.sets.map((set) => {
    const { write, read } = quorums(set);
    const base = { id: set.id, pool: set.pool, data: set.data, parity: set.parity, writeQuorum: write, readQuorum: read };
    const votes = fresh.flatMap((view) => {
      const found = view.sets.find((candidate) => candidate.id === set.id);
      return found === undefined ? [] : [{ nodeId: view.nodeId, set: found }];
    });
    // Of views that agree on the number of voting slots, the largest group; of equal groups the one that sees less.
    const groups = [...Map.groupBy(votes, (vote) => vote.set.voting)].toSorted(
      ([left, a], [right, b]) => b.length - a.length || left - right,
    );
    const [voting, witnesses] = groups[0] ?? [0, []];
    if (witnesses.length < needed) {
      const reason =
        votes.length === 0
          ? 'no node answers'
          : `${votes.length} nodes answer, no ${needed} agree: ${votes.map((vote) => `node ${vote.nodeId} sees ${vote.set.voting} voting`).join(', ')}`;
      return { ...base, state: 'Unknown' as const, voting, reason, serving: {}, witnesses: [], minShards: 0, healing: reason };
    }
    const first = witnesses[0]?.set;
    const reason = (first?.slots ?? [])
      .filter((slot) => slot.state !== 'Serving')
      .map(
        (slot) => `slot ${slot.slot} (node ${slot.nodeId}, drive ${slot.drive}) is ${slot.state}${slot.reason ? `: ${slot.reason}` : ''}`,
      )
      .join('; ');
    const serving: Record<number, number> = {};
    for (const slot of first?.slots ?? []) if (slot.state === 'Serving') serving[slot.nodeId] = (serving[slot.nodeId] ?? 0) + 1;
    const redundancy = redundancyOf({ coding: set, slots: first?.slots ?? [], views: fresh, id: set.id });
    return {
      ...base,
      state: setState(set, voting),
      voting,
      reason,
      serving,
      witnesses: witnesses.map((vote) => vote.nodeId),
      ...redundancy,
    };
  });
}

/**
 * What an acknowledged version may have left: W shards, or fewer where fewer slots take part, until every slot's own node says that it
 * is whole and nobody remembers anything that a slot missed; then as many as slots take part. A slot that is being filled counts as none.
 */
function redundancyOf(set: {
  readonly id: number;
  readonly coding: Coding;
  readonly slots: SetView['slots'];
  readonly views: readonly NodeView[];
}): { readonly minShards: number; readonly healing: string } {
  const healOf = (slot: SetView['slots'][number]): string | undefined =>
    set.views
      .find((view) => view.nodeId === slot.nodeId)
      ?.sets.find((candidate) => candidate.id === set.id)
      ?.slots.find((own) => own.slot === slot.slot)?.heal;
  const notWhole = set.slots.flatMap((slot) => {
    if (slot.state !== 'Serving') return [`slot ${slot.slot} is ${slot.state}`];
    const heal = healOf(slot);
    return heal === 'Whole' ? [] : [`slot ${slot.slot} is ${heal ?? 'not known to be whole'}`];
  });
  const hints = set.views.reduce((sum, view) => sum + (view.hintsHeld ?? 0), 0);
  const healing = [...notWhole, ...(hints === 0 ? [] : [`${hints} keys that slots missed are not healed yet`])].join('; ');
  const filled = set.slots.filter((slot) => slot.state === 'Serving' && !['Blank', 'Dirty'].includes(healOf(slot) ?? '')).length;
  return { minShards: healing === '' ? filled : Math.min(quorums(set.coding).write, filled), healing };
}

/**
 * A node sees of its peers only whether a link is up. That a drive behind a good link has failed, its own node knows, so
 * its word on its own slots goes into every view.
 */
function believeOwners(views: readonly NodeView[]): NodeView[] {
  const failed = new Map<string, SetView['slots'][number]>();
  for (const view of views) {
    for (const set of view.sets) {
      for (const slot of set.slots) {
        if (slot.nodeId === view.nodeId && slot.state === 'Failed') failed.set(`${set.id}/${slot.slot}`, slot);
      }
    }
  }
  const correct = (set: SetView): SetView => {
    const slots = set.slots.map((slot) => (slot.state === 'Serving' ? (failed.get(`${set.id}/${slot.slot}`) ?? slot) : slot));
    return { ...set, slots, voting: slots.filter((slot) => slot.state === 'Serving').length };
  };
  return views.map((view) => ({ ...view, sets: view.sets.map(correct) }));
}

/** Healthy: all slots vote. Degraded: writes go on. ReadOnly: reads go on. */
export function setState(coding: Coding, voting: number): SetState {
  const { size, write, read } = quorums(coding);
  if (voting >= size) return 'Healthy';
  if (voting >= write) return 'Degraded';
  return voting >= read ? 'ReadOnly' : 'Offline';
}

/** The latch of bootstrap: true once every set was Healthy at the same time. */
export function isBootstrapped(latched: boolean, sets: readonly SetHealth[]): boolean {
  return latched || (sets.length > 0 && sets.every((set) => set.state === 'Healthy'));
}
