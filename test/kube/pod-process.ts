/** A container of a pod as a process: command, environment by the downward API, probes at the pod's address. */
import path from 'node:path';
import type { V1Container, V1Pod, V1Probe } from '@kubernetes/client-node';
import { expand, type LocalPod, mapPath } from '../../operator/local/pod.ts';
import { type HttpProbe, httpProbe } from '../../operator/local/probe.ts';
import { bindsOf, inMountNamespace, type PodFolders, type VolumeSources } from './pod-mounts.ts';
import { untilParentEnds } from './service.ts';

export type ProcessHost = {
  readonly address: string;
  readonly folders: PodFolders;
  /** What the image has at /app. */
  readonly applicationRoot: string;
  /** For containers that name no command. */
  readonly entrypoint: readonly string[];
  /** Set for every container, as a kubelet does for the API server's own Service. */
  readonly env: Readonly<Record<string, string>>;
  readonly sources: VolumeSources;
};

/** How the first container of a pod is run and probed. Throws for what a process cannot have. */
export async function podProcess(pod: V1Pod, host: ProcessHost): Promise<LocalPod> {
  const container = onlyContainer(pod);
  const env = { ...host.env, ...(await environment(pod, container, host)) };
  const application = [{ inside: '/app', outside: host.applicationRoot, secret: undefined }];
  const words = [...(container.command ?? host.entrypoint), ...(container.args ?? [])].map((word) =>
    mapPath(expand(word, env), application),
  );
  const [command, ...args] = words;
  if (command === undefined) throw new Error(`container ${container.name} names no command, and its image has none here`);
  const program = { file: command === 'node' ? process.execPath : command, args };
  const binds = bindsOf(pod, container, host.folders);
  const mounted = untilParentEnds(inMountNamespace(program, { binds, overlay: path.join(host.folders.pod, 'overlay') }));
  return {
    name: pod.metadata?.name ?? '',
    command: mounted.file,
    args: mounted.args,
    env,
    logFile: path.join(host.folders.pod, 'log'),
    graceMs: (pod.spec?.terminationGracePeriodSeconds ?? 30) * 1000,
    ...probesOf(container, host.address),
    mounts: [],
  };
}

/** The container of a pod that has just one, as all pods here do. */
export function onlyContainer(pod: V1Pod): V1Container {
  const [container, ...others] = pod.spec?.containers ?? [];
  if (container === undefined || others.length > 0 || (pod.spec?.initContainers ?? []).length > 0)
    throw new Error(`pod ${pod.metadata?.name} has other than one container`);
  return container;
}

/** The probes of a container; one that is absent is taken from those that are there. */
export function probesOf(container: V1Container, address: string): Pick<LocalPod, 'startupProbe' | 'livenessProbe' | 'readinessProbe'> {
  const at = (probe: V1Probe): HttpProbe => {
    const port = probe.httpGet?.port;
    const number = typeof port === 'string' ? container.ports?.find(({ name }) => name === port)?.containerPort : port;
    if (probe.httpGet?.path === undefined || number === undefined)
      throw new Error(`container ${container.name} has a probe that is not HTTP`);
    const { periodSeconds, timeoutSeconds, failureThreshold } = probe;
    return httpProbe(
      { httpGet: { path: probe.httpGet.path, port: number }, periodSeconds, timeoutSeconds, failureThreshold } as V1Probe,
      address,
    );
  };
  const readiness = container.readinessProbe ?? container.livenessProbe;
  if (readiness === undefined) throw new Error(`container ${container.name} has neither a readiness nor a liveness probe`);
  const readinessProbe = at(readiness);
  const livenessProbe = at(container.livenessProbe ?? readiness);
  return {
    readinessProbe,
    livenessProbe,
    startupProbe: container.startupProbe === undefined ? { ...livenessProbe, failureThreshold: 600 } : at(container.startupProbe),
  };
}

async function environment(pod: V1Pod, container: V1Container, host: ProcessHost): Promise<Record<string, string>> {
  const env: Record<string, string> = {};
  for (const { name, value, valueFrom } of container.env ?? []) {
    if (valueFrom?.fieldRef !== undefined) env[name] = field(pod, valueFrom.fieldRef.fieldPath, host.address);
    else if (valueFrom?.secretKeyRef !== undefined) {
      const { name: secret = '', key } = valueFrom.secretKeyRef;
      env[name] = (await host.sources.read('secrets', secret))?.get(key)?.toString() ?? '';
    } else env[name] = expand(value ?? '', env);
  }
  return env;
}

function field(pod: V1Pod, fieldPath: string, address: string): string {
  const fields: Readonly<Record<string, string | undefined>> = {
    'spec.nodeName': pod.spec?.nodeName,
    'metadata.name': pod.metadata?.name,
    'metadata.namespace': pod.metadata?.namespace,
    'metadata.uid': pod.metadata?.uid,
    'spec.serviceAccountName': pod.spec?.serviceAccountName,
    'status.podIP': address,
    'status.hostIP': address,
  };
  const found = fields[fieldPath];
  if (found === undefined) throw new Error(`the field ${fieldPath} is not known here`);
  return found;
}
