/** Events that follow from how the status changed: each is told once, when it happens. */

import type { Reason } from '../api/reasons.ts';
import type { ClusterStatus } from '../api/status.ts';
import type { PlannedEvent } from './actions.ts';

/** Conditions whose change to the bad side is worth a Warning, with the status that is bad. */
const WARNINGS = [
  ['SpecValid', 'False'],
  ['NodesEligible', 'False'],
  ['MembershipStable', 'False'],
  ['CredentialsValid', 'False'],
  ['CertificatesValid', 'False'],
  ['UpgradeSafe', 'False'],
  ['Stalled', 'True'],
  ['Degraded', 'True'],
] as const;

/** Not bad yet, and soon too late. */
function warnOfExpiry(before: ClusterStatus, after: ClusterStatus): PlannedEvent[] {
  const [was, now] = [before, after].map(({ conditions }) => conditions?.find(({ type }) => type === 'CertificatesValid'));
  if (now?.reason !== 'CertificateExpiresSoon' || was?.reason === now.reason) return [];
  return [{ type: 'Warning', reason: 'CertificateExpiresSoon', message: now.message }];
}

export function compareStatus(before: ClusterStatus, after: ClusterStatus): PlannedEvent[] {
  const events: PlannedEvent[] = [];
  if (before.bootstrapped !== true && after.bootstrapped === true) {
    events.push({ type: 'Normal', reason: 'Bootstrapped', message: 'every set is Healthy: the cluster is in service' });
  }
  const stalledFor = after.conditions?.find((condition) => condition.type === 'Stalled')?.reason;
  for (const [type, bad] of WARNINGS) {
    const now = after.conditions?.find((condition) => condition.type === type);
    const was = before.conditions?.find((condition) => condition.type === type);
    if (now?.status !== bad || (was?.status === bad && was.reason === now.reason)) continue;
    // Stalled repeats the reason of the condition that caused it.
    if (type === 'Stalled' && events.some((event) => event.reason === stalledFor)) continue;
    events.push({ type: 'Warning', reason: now.reason as Reason, message: now.message });
  }
  events.push(...warnOfExpiry(before, after));
  if (before.setsHealthy !== after.setsHealthy && after.bootstrapped === true && before.bootstrapped === true) {
    events.push({ type: 'Normal', reason: 'SetsChanged', message: `${after.setsHealthy} sets are healthy` });
  }
  const { rollout } = after;
  if (rollout !== undefined && rollout.current === undefined && before.rollout?.current !== undefined && rollout.done === rollout.total) {
    events.push({ type: 'Normal', reason: 'RolloutDone', message: `all ${rollout.total} pods were restarted` });
  }
  return events;
}
