/**
 * What state each member is in, from its pod, its node and its own answers; a chain of predicates, the first that holds wins.
 */
import type { DriveView } from '../../node/admin/schemas.ts';
import type { Reason } from '../api/reasons.ts';
import type { MemberStatus } from '../api/status.ts';
import { taintText } from '../desired/tolerations.ts';
import type { ObservedAnswer, ObservedNode, ObservedPod, Snapshot } from './snapshot.ts';

export type MemberFacts = {
  readonly member: MemberStatus;
  readonly pod: ObservedPod | undefined;
  readonly node: ObservedNode | undefined;
  readonly answer: ObservedAnswer | undefined;
  /** It serves, and all its drives that have a slot take part. */
  readonly whole: boolean;
};

type State = { readonly state: NonNullable<MemberStatus['state']>; readonly reason: Reason; readonly message: string };

/** Facts about every member, in order of ids. */
export function gatherMembers(members: readonly MemberStatus[], snapshot: Snapshot): MemberFacts[] {
  return members.map((member) => {
    // Of an ending pod and its successor on one node the successor counts.
    const pods = snapshot.pods.filter((pod) => pod.nodeName === member.nodeName && pod.pool === member.pool);
    const pod = pods.find((candidate) => candidate.deletedAtMs === undefined) ?? pods[0];
    const answer = snapshot.answers.get(member.id);
    const node = snapshot.nodes.find((candidate) => candidate.name === member.nodeName);
    const drives = answer?.info?.drives.filter((drive) => drive.setId !== null) ?? [];
    const whole = answer?.info?.ready === true && drives.every(takesPart);
    return { member, pod, node, answer, whole };
  });
}

/** Whether a drive serves its slot. */
function takesPart({ state }: DriveView): boolean {
  return state !== 'Failed' && state !== 'Rebuilding';
}

/** The member as status shows it. */
export function describeMember(facts: MemberFacts): MemberStatus {
  const { id, pool, nodeName, address, zone } = facts.member;
  const { state, reason, message } = memberState(facts);
  const { pod, answer } = facts;
  return {
    id,
    pool,
    nodeName,
    address,
    zone,
    state,
    ...(state === 'Serving' && message === '' ? {} : { reason, message: message.slice(0, 512) }),
    ...(pod === undefined ? {} : { podName: pod.name, revision: pod.revision }),
    ...(answer?.config === undefined ? {} : { configHash: answer.config.hash }),
    ...(answer?.info === undefined ? {} : { engine: answer.info.engine.kind }),
  };
}

/** The most likely reason for a pod that is never made. */
function describeTaints({ taints = [] }: ObservedNode): string {
  const hard = taints.filter((taint) => taint.effect !== 'PreferNoSchedule').map(taintText);
  return hard.length === 0 ? '' : `; the node has taints: ${hard.join(', ')}`;
}

function memberState({ member, pod, node, answer, whole }: MemberFacts): State {
  if (pod === undefined) {
    if (node === undefined) return { state: 'Unreachable', reason: 'NoPod', message: `node ${member.nodeName} does not exist` };
    return { state: 'Joining', reason: 'NoPod', message: `there is no pod on node ${member.nodeName} yet${describeTaints(node)}` };
  }
  if (pod.deletedAtMs !== undefined) return { state: 'Starting', reason: 'NotReady', message: `pod ${pod.name} is ending` };
  if (pod.phase === 'Failed') return { state: 'Failed', reason: 'PodFailed', message: `pod ${pod.name} failed: ${pod.trouble}` };
  if (answer?.info === undefined && node?.ready === false) {
    return { state: 'Unreachable', reason: 'NodeNotReady', message: `node ${member.nodeName} is not ready` };
  }
  if (pod.idle) {
    const failed = /BackOff|Err|Invalid|Crash/.test(pod.trouble);
    const message = `pod ${pod.name} does not run${pod.trouble === '' ? '' : `: ${pod.trouble}`}`;
    return { state: failed ? 'Failed' : 'Starting', reason: 'PodNotRunning', message };
  }
  if (answer?.info === undefined) {
    const message = answer?.error ?? 'it was not asked yet';
    return { state: pod.ready ? 'Unreachable' : 'Starting', reason: 'NoAnswer', message };
  }
  if (!answer.info.ready) return { state: 'Starting', reason: 'NotReady', message: `pod ${pod.name} does not serve yet` };
  if (!whole) {
    const away = answer.info.drives.filter((drive) => drive.setId !== null && !takesPart(drive));
    const message = away.map((drive) => `drive ${drive.index} (${drive.path}): ${drive.reason}`).join('; ');
    return { state: 'CatchingUp', reason: 'DrivesFailed', message };
  }
  if (!pod.ready) return { state: 'Starting', reason: 'NotReady', message: `pod ${pod.name} is not ready yet` };
  if (node?.cordoned === true) return { state: 'Maintenance', reason: 'NodeCordoned', message: `node ${member.nodeName} is cordoned` };
  return { state: 'Serving', reason: 'Serving', message: '' };
}
