/**
 * The rolling restart: which member is next, and whether it may go now.
 *
 * One member is in flight at a time. It is written to status before its pod is deleted, so that an operator that starts
 * anew knows whom to wait for. Order: what does not run and is stale, then highest id to lowest; the first is the canary.
 * When the one in flight is not back after the deadline nothing else is touched.
 */
import type { ClusterSpec } from '../api/cluster.ts';
import type { Reason } from '../api/reasons.ts';
import type { LayoutStatus, RolloutStatus } from '../api/status.ts';
import { hashOf } from '../desired/hash.ts';
import { type GateInput, mayRestart } from './gate.ts';
import type { MemberFacts } from './members.ts';
import type { SetHealth } from './sets.ts';
import type { ObservedPod } from './snapshot.ts';

export type RolloutInput = {
  readonly nowMs: number;
  readonly leaseAgeMs: number;
  readonly paused: boolean;
  readonly deleting: boolean;
  readonly update: ClusterSpec['update'];
  /** Value of the approving annotation. */
  readonly approval: string | undefined;
  readonly layout: LayoutStatus;
  readonly sets: readonly SetHealth[];
  readonly members: readonly MemberFacts[];
  /** Revision of the pod template by pool. */
  readonly revisions: Readonly<Record<string, string>>;
  /** Hash of the configuration by node name. */
  readonly configHashes: ReadonlyMap<string, string>;
  readonly recorded: RolloutStatus | undefined;
};

export type RolloutPlan = {
  readonly rollout: RolloutStatus | undefined;
  /** The one pod to delete now. */
  readonly restart: { readonly pod: ObservedPod; readonly memberId: number; readonly message: string } | undefined;
  /** The member in flight is past its deadline. */
  readonly stuck: string | undefined;
  /** Pods that are not of the newest revision yet, or one in flight. */
  readonly active: boolean;
};

/** The next step of the rollout, if there is one. */
export function planRollout(input: RolloutInput): RolloutPlan {
  const { recorded, members } = input;
  const stale = members.filter((facts) => isStale(facts, input));
  const current = members.find((facts) => facts.member.id === recorded?.current);
  if (stale.length === 0 && recorded === undefined) return { rollout: undefined, restart: undefined, stuck: undefined, active: false };

  const base = startOrContinue(stale, input);
  const inFlight =
    current !== undefined && !isStale(current, input) && !isBack(current, { input, isFirst: recorded?.first === recorded?.current });
  if (stale.length === 0 && !inFlight) {
    return { rollout: settle(base), restart: undefined, stuck: undefined, active: false };
  }
  const stuck = inFlight ? overdue(current, input) : undefined;
  const target = next(stale);
  if (target?.pod === undefined) return { rollout: base, restart: undefined, stuck, active: true };

  const blocked = judge(target, { base, input });
  if (blocked !== undefined) {
    const rollout = { ...base, blockedReason: blocked.reason, blockedMessage: blocked.message.slice(0, 512) };
    return { rollout, restart: undefined, stuck, active: true };
  }
  if (recorded?.id !== base.id || recorded.current !== target.member.id) {
    // Written first, deleted in the next pass.
    const first = base.first ?? target.member.id;
    const rollout = { ...base, first, current: target.member.id, currentSince: new Date(input.nowMs).toISOString() };
    return { rollout, restart: undefined, stuck: undefined, active: true };
  }
  const message = `restarting pod ${target.pod.name} of member ${target.member.id} on ${target.member.nodeName} (${base.done + 1} of ${base.total})`;
  return { rollout: base, restart: { pod: target.pod, memberId: target.member.id, message }, stuck, active: true };
}

/** Made of an older template, or of a configuration of which keys wait for a restart. */
function isStale({ member, pod, answer }: MemberFacts, input: RolloutInput): boolean {
  if (pod === undefined || pod.deletedAtMs !== undefined) return false;
  if (pod.revision !== input.revisions[member.pool]) return true;
  const waits = (answer?.config?.restartKeys.length ?? 0) > 0;
  return waits && answer?.config?.hash === input.configHashes.get(member.nodeName);
}

function isBack(facts: MemberFacts, from: { readonly input: RolloutInput; readonly isFirst: boolean }): boolean {
  const { pod } = facts;
  if (pod === undefined || pod.deletedAtMs !== undefined || !pod.ready || !facts.whole) return false;
  const neededMs = from.input.update.minReadySeconds * 1000 * (from.isFirst ? 2 : 1);
  return from.input.nowMs - (pod.readySinceMs ?? from.input.nowMs) >= neededMs;
}

/** The recorded rollout goes on while its goal is the same; the member in flight stays in flight under a new goal. */
function startOrContinue(stale: readonly MemberFacts[], input: RolloutInput): RolloutStatus {
  const { recorded } = input;
  const goal = hashOf(input.revisions).slice(0, 12);
  const isSame = recorded !== undefined && (stale.length === 0 || recorded.id === goal);
  if (!isSame || recorded === undefined) {
    const carried =
      recorded?.current === undefined
        ? {}
        : { current: recorded.current, ...(recorded.currentSince === undefined ? {} : { currentSince: recorded.currentSince }) };
    return { id: goal, done: 0, total: stale.length, ...carried };
  }
  const { blockedReason: _reason, blockedMessage: _message, ...rest } = recorded;
  return { ...rest, total: Math.max(rest.total, stale.length), done: Math.max(0, Math.max(rest.total, stale.length) - stale.length) };
}

function settle(rollout: RolloutStatus): RolloutStatus {
  const { current: _current, currentSince: _since, ...rest } = rollout;
  return { ...rest, done: rest.total };
}

const rank = ({ pod }: MemberFacts): number => (pod?.idle === true ? 0 : pod?.ready === false ? 1 : 2);

/** Pods that do not run first: they have nothing to lose. */
function next(stale: readonly MemberFacts[]): MemberFacts | undefined {
  return stale.toSorted((left, right) => rank(left) - rank(right) || right.member.id - left.member.id)[0];
}

function judge(
  target: MemberFacts,
  from: { readonly base: RolloutStatus; readonly input: RolloutInput },
): { readonly reason: Reason; readonly message: string } | undefined {
  const { base, input } = from;
  const approved = input.approval === base.id;
  if (input.update.type === 'OnApproval' && !approved && target.pod?.idle !== true) {
    return { reason: 'WaitingForApproval', message: `waits for annotation openlake.dev/approve-rollout=${base.id}` };
  }
  const previous = base.current === undefined ? undefined : { id: base.current, isFirst: base.first === base.current };
  const { nowMs, leaseAgeMs, paused, deleting, update, layout, sets, members } = input;
  const gates: GateInput = { nowMs, leaseAgeMs, paused, deleting, update, approved, layout, sets, members, previous };
  const verdict = mayRestart(target, gates);
  return verdict.allowed ? undefined : verdict;
}

function overdue(facts: MemberFacts, input: RolloutInput): string | undefined {
  const since = Date.parse(input.recorded?.currentSince ?? '');
  const waitedMs = input.nowMs - since;
  if (!(waitedMs > input.update.progressDeadlineSeconds * 1000)) return undefined;
  const { id, nodeName } = facts.member;
  const trouble = facts.pod?.trouble ?? '';
  return `member ${id} (${nodeName}) is not back ${Math.round(input.update.progressDeadlineSeconds)} s after its restart${trouble === '' ? '' : `: ${trouble}`}`;
}
