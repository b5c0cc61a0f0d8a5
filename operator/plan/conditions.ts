/**
 * Conditions by the rules of kstatus: Reconciling=True is work under way, Stalled=True needs a person, else Ready counts.
 *
 * A condition keeps its transition time while its status stays, so that nothing in the status moves by itself.
 */
import { CONDITION_TYPES, type ConditionType, type Reason } from '../api/reasons.ts';
import type { Condition } from '../api/status.ts';

export type Judgement = { readonly status: boolean | 'Unknown'; readonly reason: Reason; readonly message: string };

export type Judgements = Readonly<Record<ConditionType, Judgement>>;

export const yes = (reason: Reason, message = ''): Judgement => ({ status: true, reason, message });
export const no = (reason: Reason, message = ''): Judgement => ({ status: false, reason, message });

/** Longest message that the schema takes. */
const MAXIMUM_MESSAGE = 1024;

/** All conditions in their fixed order. */
export function writeConditions(
  judgements: Judgements,
  from: { readonly previous: readonly Condition[]; readonly generation: number; readonly nowMs: number },
): Condition[] {
  return CONDITION_TYPES.map((type) => {
    const { status, reason, message } = judgements[type];
    const text = status === 'Unknown' ? 'Unknown' : status ? 'True' : 'False';
    const before = from.previous.find((condition) => condition.type === type);
    const now = new Date(from.nowMs).toISOString().replace(/\.\d+Z$/, 'Z');
    return {
      type,
      status: text,
      reason,
      message: message.length > MAXIMUM_MESSAGE ? `${message.slice(0, MAXIMUM_MESSAGE - 3)}...` : message,
      observedGeneration: from.generation,
      lastTransitionTime: before?.status === text ? before.lastTransitionTime : now,
    };
  });
}
