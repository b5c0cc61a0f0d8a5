/** A storage pod as planning sees it. */
import type { V1Pod } from '@kubernetes/client-node';
import { REVISION } from '../api/annotations.ts';
import { GROUP } from '../api/cluster.ts';
import type { ObservedPod } from '../plan/snapshot.ts';

const DEFAULT_ADMIN_PORT = 9002;
/** Of a log's end; messages of the status hold 512 characters. */
const MAXIMUM_WORDS = 300;

/** The facts of a pod. */
export function observePod(pod: V1Pod): ObservedPod {
  const { metadata, spec } = pod;
  const deletedAt = metadata?.deletionTimestamp;
  const readySinceMs = deletedAt === undefined ? readySince(pod) : undefined;
  return {
    name: metadata?.name ?? '',
    uid: metadata?.uid ?? '',
    nodeName: spec?.nodeName ?? pinnedNode(pod),
    pool: metadata?.labels?.[`${GROUP}/pool`] ?? '',
    revision: metadata?.annotations?.[REVISION] ?? '',
    ready: readySinceMs !== undefined,
    readySinceMs,
    idle: pod.status?.containerStatuses?.[0]?.state?.running === undefined,
    deletedAtMs: deletedAt === undefined ? undefined : asMs(deletedAt),
    phase: pod.status?.phase ?? '',
    adminPort: adminPortOf(pod),
    trouble: troubleOf(pod),
  };
}

/** When it became ready; undefined while it is not. A kubelet always says since when; the start is the next best. */
function readySince({ status }: V1Pod): number | undefined {
  const ready = status?.conditions?.find((condition) => condition.type === 'Ready' && condition.status === 'True');
  const since = ready?.lastTransitionTime ?? status?.startTime;
  return ready === undefined || since === undefined ? undefined : asMs(since);
}

function adminPortOf({ spec }: V1Pod): number {
  return spec?.containers[0]?.ports?.find((port) => port.name === 'admin')?.containerPort ?? DEFAULT_ADMIN_PORT;
}

/** Why its container does not run, or why it has no node yet. */
function troubleOf({ status }: V1Pod): string {
  const { state, lastState } = status?.containerStatuses?.[0] ?? {};
  const unscheduled = status?.conditions?.find((condition) => condition.type === 'PodScheduled' && condition.status === 'False');
  const { reason, message } = state?.waiting ?? state?.terminated ?? unscheduled ?? status ?? {};
  // Its last words, which say more than how long the kubelet waits.
  const words = state?.running === undefined ? lastState?.terminated?.message?.trim() : undefined;
  return [reason, words === undefined || words === '' ? message : words.slice(-MAXIMUM_WORDS)]
    .filter((part) => part !== undefined && part !== '')
    .join(': ')
    .slice(0, 400);
}

/** A pod of a DaemonSet that is not scheduled yet names its node in its affinity. */
function pinnedNode(pod: V1Pod): string {
  const terms = pod.spec?.affinity?.nodeAffinity?.requiredDuringSchedulingIgnoredDuringExecution?.nodeSelectorTerms ?? [];
  return terms[0]?.matchFields?.find((field) => field.key === 'metadata.name')?.values?.[0] ?? '';
}

/** Times come as text from our own requests, as dates from the library's types. */
function asMs(time: Date | string): number {
  return new Date(time).getTime();
}
