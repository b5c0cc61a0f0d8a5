/** The status of a pod as a kubelet reports it. Pure. */
import type { V1Pod } from '@kubernetes/client-node';
import type { PodState } from '../../operator/local/state.ts';

/** What is known about a pod's container; the same for a real process and for one that is only pretended. */
export type ContainerView = Pick<PodState, 'phase' | 'ready' | 'restarts' | 'lastExit'> & { readonly startedAt: string | undefined };

type Condition = { type: string; status: string; lastTransitionTime: string; reason?: string; message?: string };

/**
 * The status to report. `container` is undefined while volumes are awaited (`waiting` says why).
 * `previous` gives the conditions that stay, and the times of those that did not change.
 */
export function podStatus(
  pod: V1Pod,
  seen: {
    readonly container: ContainerView | undefined;
    readonly waiting: string;
    /** The end of its log. */
    readonly lastWords: string;
    readonly address: string;
    readonly now: string;
  },
): object {
  const { container } = seen;
  const running = container !== undefined && (container.phase === 'Running' || container.phase === 'Starting');
  const ready = running && container.ready;
  const previous = (pod.status?.conditions ?? []) as unknown as readonly Condition[];
  const condition = (type: string, value: boolean, reason?: string): Condition => {
    const status = value ? 'True' : 'False';
    const before = previous.find((other) => other.type === type);
    return {
      type,
      status,
      lastTransitionTime: before?.status === status ? new Date(before.lastTransitionTime).toISOString().replace('.000', '') : seen.now,
      ...(reason === undefined || value ? {} : { reason, message: `containers with unready status: [${pod.spec?.containers[0]?.name}]` }),
    };
  };
  return {
    phase: container === undefined ? 'Pending' : 'Running',
    hostIP: seen.address,
    hostIPs: [{ ip: seen.address }],
    ...(container === undefined ? {} : { podIP: seen.address, podIPs: [{ ip: seen.address }] }),
    startTime: pod.status?.startTime ?? seen.now,
    conditions: [
      condition('PodReadyToStartContainers', container !== undefined),
      condition('Initialized', true),
      condition('Ready', ready, 'ContainersNotReady'),
      condition('ContainersReady', ready, 'ContainersNotReady'),
      condition('PodScheduled', true),
    ],
    containerStatuses: [
      {
        name: pod.spec?.containers[0]?.name ?? '',
        image: pod.spec?.containers[0]?.image ?? '',
        imageID: container === undefined ? '' : `process://${pod.spec?.containers[0]?.image ?? ''}`,
        ready,
        started: running && container.phase === 'Running',
        restartCount: container?.restarts ?? 0,
        state: containerState(container, seen.waiting),
        lastState: container?.lastExit === undefined ? {} : { terminated: { ...terminated(container), message: seen.lastWords } },
      },
    ],
  };
}

function containerState(container: ContainerView | undefined, waiting: string): object {
  if (container === undefined) {
    const reason = waiting.startsWith('Back-off pulling image') ? 'ImagePullBackOff' : 'ContainerCreating';
    return { waiting: { reason, ...(waiting === '' ? {} : { message: waiting }) } };
  }
  if (container.phase === 'BackOff') return { waiting: { reason: 'CrashLoopBackOff' } };
  if (container.phase === 'Stopped') return { terminated: terminated(container) };
  return { running: { startedAt: container.startedAt } };
}

function terminated(container: ContainerView): object {
  const { lastExit } = container;
  const exitCode = lastExit?.code ?? 137;
  return {
    exitCode,
    reason: exitCode === 0 ? 'Completed' : 'Error',
    startedAt: container.startedAt,
    finishedAt: lastExit?.at.replace(/\.\d+Z$/, 'Z'),
  };
}
