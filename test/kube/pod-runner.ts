/**
 * The kubelets of the test bed: runs the pods that the real controllers and the real scheduler put on our nodes, as local
 * processes, and reports their status.
 *
 * A pod is watched, its volumes are made, its container runs as a process in a mount namespace with the probes and the
 * restart policy of operator/local. Mounted Secrets follow within a second. A pod that is deleted gets SIGTERM, its grace
 * period, and is then removed from the API. Pods whose container only waits (the disruption guard) get no process: their
 * readiness probe is asked and reported.
 */
import { existsSync, mkdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { V1ConfigMap, V1Pod, V1Secret } from '@kubernetes/client-node';
import { runProbe } from '../../operator/local/probe.ts';
import { SupervisedPod } from '../../operator/local/supervised-pod.ts';
import { follow } from './api-client.ts';
import type { ControlPlane } from './control-plane.ts';
import type { FakeNode } from './fake-node.ts';
import { makeVolumes, type PodFolders, type VolumeSources } from './pod-mounts.ts';
import { onlyContainer, podProcess, probesOf } from './pod-process.ts';
import { type ContainerView, podStatus } from './pod-status.ts';

export type PodRunner = AsyncDisposable & {
  /** Pods that run now, by `namespace/name`. */
  readonly pods: () => readonly RunningPod[];
  /** The pod with this label value of app.kubernetes.io/name on a node. Throws when there is none. */
  readonly podOn: (nodeName: string, application?: string) => RunningPod;
  /** What the node has at a path of its own. */
  readonly hostFolder: (nodeName: string, hostPath: string) => string;
};

export type RunningPod = {
  readonly namespace: string;
  readonly name: string;
  readonly nodeName: string;
  readonly uid: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly image: string;
  readonly pid: number | undefined;
  /** As its readiness probe says. */
  readonly ready: boolean;
  readonly log: () => string;
  /** Sends a signal to the process; the restart policy does the rest. */
  readonly kill: (signal?: NodeJS.Signals) => void;
  /** Ends the process and keeps it down, as on a machine that is off, until `start`. */
  readonly hold: () => Promise<void>;
  readonly start: () => void;
};

/** A container that is reported but not run: it is ready when its readiness probe says so. */
type Pretended = { state: ContainerView; readonly stop: () => void };

type Entry = {
  pod: V1Pod;
  readonly folders: PodFolders;
  readonly address: string;
  process: SupervisedPod | undefined;
  pretended: Pretended | undefined;
  startedAt: string | undefined;
  waiting: string;
  ending: boolean;
  reported: string;
  reporting: boolean;
};

export type RunnerOptions = {
  readonly nodes: readonly FakeNode[];
  /** What images have at /app. */
  readonly applicationRoot: string;
  /** The entrypoint of images whose containers name no command. */
  readonly entrypoint?: readonly string[];
  /** Images that no registry has. */
  readonly isMissing?: (image: string) => boolean;
  /** Pods that get no process. */
  readonly pretend?: (pod: V1Pod) => boolean;
};

const isGuard = (pod: V1Pod): boolean => pod.metadata?.labels?.['app.kubernetes.io/name'] === 'openlake-guard';

/** Runs the pods of these nodes until it is disposed of. */
export function startPodRunner(plane: ControlPlane, options: RunnerOptions): PodRunner {
  const { admin } = plane;
  const pretend = options.pretend ?? isGuard;
  const isMissing = options.isMissing ?? ((image: string) => image.includes('no-such-image'));
  const entries = new Map<string, Entry>();
  const nodeFolder = (name: string): string => path.join(plane.folder, 'nodes', name);
  const url = new URL(plane.server);
  const env = { KUBERNETES_SERVICE_HOST: url.hostname, KUBERNETES_SERVICE_PORT: url.port, KUBERNETES_SERVICE_PORT_HTTPS: url.port };
  const ended = new AbortController();
  let pods = 0;

  const report = async (entry: Entry): Promise<void> => {
    if (entry.reporting) return;
    entry.reporting = true;
    try {
      for (;;) {
        const now = new Date().toISOString().replace(/\.\d+Z$/, 'Z');
        const status = podStatus(entry.pod, {
          container: viewOf(entry),
          waiting: entry.waiting,
          lastWords: lastWords(entry),
          address: entry.address,
          now,
        });
        const text = JSON.stringify(status).replace(/"lastTransitionTime":"[^"]*"/g, '');
        if (text === entry.reported) return;
        const { metadata } = entry.pod;
        const target = `/api/v1/namespaces/${metadata?.namespace}/pods/${metadata?.name}/status`;
        const patch = { metadata: { uid: metadata?.uid }, status };
        const answer = await admin.request('PATCH', target, { type: 'merge-patch', body: patch });
        // Gone, or another pod of the same name.
        if (answer.status === 404 || answer.status === 409) return;
        if (answer.status < 300) entry.reported = text;
        else if (answer.status === 422) throw new Error(`status of pod ${metadata?.name} refused: ${answer.message}`);
        else return;
      }
    } catch (error) {
      // The API server is away; the next tick tries again. A refused status is our own mistake.
      if (String(error).includes('refused:')) console.error(error);
    } finally {
      entry.reporting = false;
    }
  };

  const sourcesFor = (pod: V1Pod): VolumeSources => ({
    read: async (kind, name) => {
      const answer = await admin.request<V1Secret | V1ConfigMap>('GET', `/api/v1/namespaces/${pod.metadata?.namespace}/${kind}/${name}`);
      if (answer.status === 404) return undefined;
      if (answer.status >= 300) throw new Error(`reading ${kind} ${name} answers ${answer.status}`);
      const data = Object.entries(answer.body.data ?? {});
      return new Map(data.map(([key, value]) => [key, Buffer.from(value, kind === 'secrets' ? 'base64' : 'utf8')]));
    },
    token: async () => {
      const account = `/api/v1/namespaces/${pod.metadata?.namespace}/serviceaccounts/${pod.spec?.serviceAccountName ?? 'default'}/token`;
      const request = { apiVersion: 'authentication.k8s.io/v1', kind: 'TokenRequest', spec: { expirationSeconds: 7200 } };
      return (await admin.must<{ status: { token: string } }>('POST', account, { body: request })).status.token;
    },
  });

  const begin = async (entry: Entry): Promise<void> => {
    while (!entry.ending && !ended.signal.aborted) {
      try {
        const image = entry.pod.spec?.containers[0]?.image ?? '';
        if (isMissing(image)) throw new Error(`Back-off pulling image "${image}": not found`);
        await makeVolumes(entry.pod, { folders: entry.folders, sources: sourcesFor(entry.pod) });
        const host = {
          address: entry.address,
          folders: entry.folders,
          applicationRoot: options.applicationRoot,
          entrypoint: options.entrypoint ?? [],
          env,
          sources: sourcesFor(entry.pod),
        };
        if (pretend(entry.pod)) entry.pretended = pretendContainer(entry, () => void report(entry));
        else {
          const local = await podProcess(entry.pod, host);
          if (entry.ending || ended.signal.aborted) return;
          entry.process = new SupervisedPod(local, (event) => {
            if (event.kind === 'starting') entry.startedAt = new Date().toISOString().replace(/\.\d+Z$/, 'Z');
            void report(entry);
          });
          entry.process.start();
        }
        entry.waiting = '';
        void report(entry);
        return;
      } catch (error) {
        entry.waiting = error instanceof Error ? error.message : String(error);
        void report(entry);
        await sleep(300);
      }
    }
  };

  /** SIGTERM, the grace period, then out of the API. */
  const end = async (entry: Entry): Promise<void> => {
    if (entry.ending) return;
    entry.ending = true;
    await entry.process?.stop('SIGTERM');
    entry.pretended?.stop();
    const { namespace, name, uid } = entry.pod.metadata ?? {};
    const body = { gracePeriodSeconds: 0, preconditions: { uid } };
    while (!ended.signal.aborted) {
      const answer = await admin.request('DELETE', `/api/v1/namespaces/${namespace}/pods/${name}`, { body }).catch(() => undefined);
      if (answer !== undefined && (answer.status < 300 || answer.status === 404 || answer.status === 409)) return;
      await sleep(300);
    }
  };

  const onPods = (objects: ReadonlyMap<string, V1Pod>): void => {
    const uids = new Set<string>();
    for (const pod of objects.values()) {
      const uid = pod.metadata?.uid ?? '';
      const node = options.nodes.find((candidate) => candidate.name === pod.spec?.nodeName);
      if (node === undefined) continue;
      uids.add(uid);
      let entry = entries.get(uid);
      if (entry === undefined) {
        const folders = { pod: path.join(nodeFolder(node.name), 'pods', uid), host: path.join(nodeFolder(node.name), 'host') };
        mkdirSync(folders.pod, { recursive: true });
        pods += 1;
        entry = {
          pod,
          folders,
          address: pod.spec?.hostNetwork === true ? node.address : podAddress(node.address, pods),
          process: undefined,
          pretended: undefined,
          startedAt: undefined,
          waiting: '',
          ending: false,
          reported: '',
          reporting: false,
        };
        entries.set(uid, entry);
        if (pod.metadata?.deletionTimestamp === undefined) void begin(entry);
      }
      entry.pod = pod;
      if (pod.metadata?.deletionTimestamp !== undefined) void end(entry);
    }
    for (const [uid, entry] of entries) {
      if (uids.has(uid)) continue;
      entries.delete(uid);
      entry.ending = true;
      void entry.process?.stop('SIGKILL');
      entry.pretended?.stop();
    }
  };

  const onSecrets = (_objects: ReadonlyMap<string, V1Secret>, changed: V1Secret | undefined): void => {
    for (const entry of entries.values()) {
      if (entry.process === undefined || entry.ending) continue;
      const { namespace } = entry.pod.metadata ?? {};
      const mounts = entry.pod.spec?.volumes?.some(
        (volume) => volume.secret !== undefined && (changed === undefined || volume.secret.secretName === changed.metadata?.name),
      );
      if (!mounts || (changed !== undefined && changed.metadata?.namespace !== namespace)) continue;
      void makeVolumes(entry.pod, { folders: entry.folders, sources: sourcesFor(entry.pod) }).catch(() => undefined);
    }
  };

  const watches = [
    follow<V1Pod>(admin, { path: '/api/v1/pods', onChange: onPods }),
    follow<V1Secret>(admin, { path: '/api/v1/secrets', onChange: onSecrets }),
  ];
  // Phases change without an event too (a startup probe that passes), and a report may have met an API server that was away.
  const timer = setInterval(() => {
    for (const entry of entries.values()) if (!entry.ending) void report(entry);
  }, 300);

  const handle = (entry: Entry): RunningPod => ({
    namespace: entry.pod.metadata?.namespace ?? '',
    name: entry.pod.metadata?.name ?? '',
    nodeName: entry.pod.spec?.nodeName ?? '',
    uid: entry.pod.metadata?.uid ?? '',
    labels: entry.pod.metadata?.labels ?? {},
    image: entry.pod.spec?.containers[0]?.image ?? '',
    pid: entry.process?.state.process?.pid,
    ready: viewOf(entry)?.ready ?? false,
    log: () => readFileSync(path.join(entry.folders.pod, 'log'), 'utf8'),
    kill: (signal = 'SIGKILL') => {
      const pid = entry.process?.state.process?.pid;
      if (pid !== undefined) process.kill(pid, signal);
    },
    hold: async () => {
      await entry.process?.stop('SIGKILL');
      await report(entry);
    },
    start: () => entry.process?.start(),
  });
  return {
    pods: () => [...entries.values()].map(handle),
    podOn: (nodeName, application = 'openlake') => {
      const found = [...entries.values()].find(
        ({ pod, ending }) => !ending && pod.spec?.nodeName === nodeName && pod.metadata?.labels?.['app.kubernetes.io/name'] === application,
      );
      if (found === undefined) throw new Error(`no pod of ${application} runs on ${nodeName}`);
      return handle(found);
    },
    hostFolder: (nodeName, hostPath) => path.join(nodeFolder(nodeName), 'host', hostPath),
    [Symbol.asyncDispose]: async () => {
      ended.abort();
      clearInterval(timer);
      for (const watch of watches) watch[Symbol.dispose]();
      const left = [...entries.values()];
      entries.clear();
      for (const entry of left) entry.pretended?.stop();
      await Promise.all(left.map(async (entry) => entry.process?.stop('SIGKILL')));
    },
  };
}

/** An address of the pod's own, since it does not share the node's: the upper part of the node's block is for pods. */
function podAddress(nodeAddress: string, number: number): string {
  return `${nodeAddress.split('.').slice(0, 3).join('.')}.${100 + (number % 150)}`;
}

/** The end of the log of a container that failed, where its pod asks for that. */
function lastWords(entry: Entry): string {
  if (entry.pod.spec?.containers[0]?.terminationMessagePolicy !== 'FallbackToLogsOnError' || viewOf(entry)?.lastExit === undefined)
    return '';
  const file = path.join(entry.folders.pod, 'log');
  return existsSync(file) ? readFileSync(file, 'utf8').slice(-2048) : '';
}

function viewOf(entry: Entry): ContainerView | undefined {
  if (entry.pretended !== undefined) return entry.pretended.state;
  return entry.process === undefined ? undefined : { ...entry.process.state, startedAt: entry.startedAt };
}

function pretendContainer(entry: Entry, onChange: () => void): Pretended {
  const probe = probesOf(onlyContainer(entry.pod), entry.address).readinessProbe;
  const startedAt = new Date().toISOString().replace(/\.\d+Z$/, 'Z');
  const stopped = new AbortController();
  let failures = 0;
  const pretended: Pretended = {
    state: { phase: 'Running', ready: false, restarts: 0, lastExit: undefined, startedAt },
    stop: () => stopped.abort(),
  };
  void (async () => {
    while (!stopped.signal.aborted) {
      const { ok } = await runProbe(probe);
      failures = ok ? 0 : failures + 1;
      const ready = ok || (pretended.state.ready && failures < probe.failureThreshold);
      if (ready !== pretended.state.ready) {
        pretended.state = { ...pretended.state, ready };
        onChange();
      }
      await sleep(probe.periodMs, undefined, { ref: false });
    }
  })();
  return pretended;
}
