/**
 * May this member's pod be deleted now? A chain of predicates; the first that does not hold is the reason to wait.
 *
 * G1  every set keeps its write quorum (its read quorum where the resource says so) without the member
 * G2  every version keeps enough shards to be read: one that was written while a slot was away may sit on W slots only
 * G3  everybody else is back: the member that was restarted before is whole, all others ready for a while
 * G7  nothing speaks against acting at all: not paused, not deleting, a fresh Lease, views of the sets that agree
 *
 * A pod whose container does not run takes nothing away when it goes, so only G7 without the views holds for it.
 */
import { quorums } from '../../node/layout/quorum.ts';
import type { ClusterSpec } from '../api/cluster.ts';
import type { Reason } from '../api/reasons.ts';
import type { LayoutStatus } from '../api/status.ts';
import type { MemberFacts } from './members.ts';
import type { SetHealth } from './sets.ts';

export type GateInput = {
  readonly nowMs: number;
  readonly leaseAgeMs: number;
  readonly paused: boolean;
  readonly deleting: boolean;
  readonly update: ClusterSpec['update'];
  /** A person accepted what the layout cannot spare. */
  readonly approved: boolean;
  readonly layout: LayoutStatus;
  readonly sets: readonly SetHealth[];
  readonly members: readonly MemberFacts[];
  /** The member that was restarted last, and whether it was the first of its rollout. */
  readonly previous: { readonly id: number; readonly isFirst: boolean } | undefined;
};

export type Verdict = { readonly allowed: true } | { readonly allowed: false; readonly reason: Reason; readonly message: string };

type Gate = (target: MemberFacts, input: GateInput) => Verdict;

/** Above the Lease's period (2 s), below the time in which another could have taken it. */
const MAXIMUM_LEASE_AGE_MS = 5_000;

const open: Verdict = { allowed: true };
const shut = (reason: Reason, message: string): Verdict => ({ allowed: false, reason, message });

/** The first gate that is shut, or open. */
export function mayRestart(target: MemberFacts, input: GateInput): Verdict {
  const gates: readonly Gate[] = target.pod?.idle === true ? [authority] : [authority, views, othersBack, writeQuorum, spareShards];
  for (const gate of gates) {
    const verdict = gate(target, input);
    if (!verdict.allowed) return verdict;
  }
  return open;
}

/** G7, the part about ourselves. */
function authority(_target: MemberFacts, input: GateInput): Verdict {
  if (input.paused) return shut('RolloutPaused', 'spec.paused is true');
  if (input.deleting) return shut('RolloutPaused', 'the resource is being deleted');
  if (input.leaseAgeMs > MAXIMUM_LEASE_AGE_MS)
    return shut('LeaseTooOld', `the Lease was renewed ${Math.round(input.leaseAgeMs / 1000)} s ago`);
  return open;
}

/** G7, the part about what we see. */
function views(target: MemberFacts, input: GateInput): Verdict {
  const unknown = setsOf(target, input).find(({ health }) => health === undefined || health.state === 'Unknown');
  if (unknown === undefined) return open;
  return shut('ViewsDisagree', `set ${unknown.id}: ${unknown.health?.reason ?? 'nobody was asked'}`);
}

/** G3. */
function othersBack(target: MemberFacts, input: GateInput): Verdict {
  for (const facts of input.members) {
    const { id } = facts.member;
    if (id === target.member.id) continue;
    const { pod } = facts;
    if (pod === undefined || pod.deletedAtMs !== undefined || !pod.ready)
      return shut('PreviousNotBack', `member ${id} (${facts.member.nodeName}) is not ready`);
    const isPrevious = id === input.previous?.id;
    if (isPrevious && !facts.whole)
      return shut('PreviousNotBack', `member ${id} (${facts.member.nodeName}) does not serve with all its drives yet`);
    const neededMs = input.update.minReadySeconds * 1000 * (isPrevious && input.previous?.isFirst ? 2 : 1);
    const readyMs = input.nowMs - (pod.readySinceMs ?? input.nowMs);
    if (readyMs < neededMs)
      return shut('PreviousNotBack', `member ${id} (${facts.member.nodeName}) has not been ready for ${neededMs / 1000} s yet`);
  }
  return open;
}

/** G1. Approval lifts only what the layout itself cannot spare, and only while nothing else is away. */
function writeQuorum(target: MemberFacts, input: GateInput): Verdict {
  for (const { id, health, coding, own, slots } of setsOf(target, input)) {
    const { write, read, size } = quorums(coding);
    const voting = health?.voting ?? 0;
    const takes = takenBy(target, { health, own });
    const needed = input.update.availability === 'KeepReadable' ? read : write;
    if (voting - takes >= needed) continue;
    const never = size - own < needed;
    if (never && input.approved && voting === slots) continue;
    const message = `set ${id}: ${voting} of ${size} slots vote, ${takes} of them on ${target.member.nodeName}, ${needed} must stay`;
    return never ? shut('LayoutCannotSpareNode', message) : shut('SetsWouldLoseWrites', message);
  }
  return open;
}

/** G2. Until nodes say that all of a set is whole, any version may be one that only W slots took. */
function spareShards(target: MemberFacts, input: GateInput): Verdict {
  for (const { id, health, coding, own, slots } of setsOf(target, input)) {
    const fewest = health?.minShards ?? 0;
    const takes = takenBy(target, { health, own });
    if (fewest - takes >= coding.data) continue;
    const never = slots - own < coding.data;
    if (never && input.approved && health?.voting === slots) continue;
    const message =
      `set ${id}: a version may have ${fewest} shards, ${takes} of them on ${target.member.nodeName}, and needs ${coding.data}` +
      (health === undefined || health.healing === '' ? '' : ` (${health.healing})`);
    return never ? shut('LayoutCannotSpareNode', message) : shut('TooFewSpareShards', message);
  }
  return open;
}

/** Slots that the set loses with the target: those that take part now; all, where nobody knows. */
function takenBy(target: MemberFacts, set: { readonly health: SetHealth | undefined; readonly own: number }): number {
  return set.health === undefined ? set.own : (set.health.serving[target.member.id] ?? 0);
}

type SetOfTarget = {
  readonly id: number;
  readonly coding: { readonly data: number; readonly parity: number };
  readonly health: SetHealth | undefined;
  /** The target's slots in the set. */
  readonly own: number;
  readonly slots: number;
};

function setsOf(target: MemberFacts, input: GateInput): SetOfTarget[] {
  return input.layout.sets.flatMap((set) => {
    const own = set.slots.filter((slot) => slot.split('/')[0] === String(target.member.id)).length;
    if (own === 0) return [];
    return [{ id: set.id, coding: set, health: input.sets.find((health) => health.id === set.id), own, slots: set.slots.length }];
  });
}
