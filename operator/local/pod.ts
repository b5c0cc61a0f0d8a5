/**
 * From a DaemonSet to the processes that stand for its pods on this machine. Pure.
 *
 * The scheduler's part: one pod per node named in the affinity terms. The kubelet's part: environment from the downward
 * API, $(NAME) in arguments, volumes at their mount paths. A process has no mount namespace, so mount paths become folders
 * of the data directory, in arguments and in the configuration file alike.
 */

import path from 'node:path';
import type { V1Container, V1DaemonSet, V1PodSpec } from '@kubernetes/client-node';
import { describeProblem } from '../../node/config/check.ts';
import { parseNodeConfig } from '../../node/config/load.ts';
import { renderNodeConfig } from '../../node/config/render.ts';
import type { DataPaths } from './paths.ts';
import { type HttpProbe, httpProbe } from './probe.ts';

export type LocalPod = {
  readonly name: string;
  readonly command: string;
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  readonly logFile: string;
  readonly graceMs: number;
  readonly startupProbe: HttpProbe;
  readonly livenessProbe: HttpProbe;
  readonly readinessProbe: HttpProbe;
  readonly mounts: readonly Mount[];
};

/** A path inside the pod and the folder that stands for it. */
export type Mount = { readonly inside: string; readonly outside: string; readonly secret: string | undefined };

export type PodHost = {
  readonly paths: DataPaths;
  /** Address of each node by name. */
  readonly addresses: ReadonlyMap<string, string>;
  /** What the image has at /app: a checkout of this repository. */
  readonly applicationRoot: string;
  /** What the image calls `node`. */
  readonly nodeBinary: string;
};

/** The pods of a DaemonSet. Throws when the object asks for something that a process cannot have. */
export function podsOf(daemonSet: V1DaemonSet, host: PodHost): LocalPod[] {
  const spec = daemonSet.spec?.template.spec;
  const container = spec?.containers[0];
  if (spec === undefined || container === undefined)
    throw new Error(`Cannot run DaemonSet ${daemonSet.metadata?.name}: it has no container`);
  return scheduledNodes(spec).map((nodeName) => localPod({ spec, container }, { nodeName, host }));
}

function scheduledNodes(spec: V1PodSpec): string[] {
  const terms = spec.affinity?.nodeAffinity?.requiredDuringSchedulingIgnoredDuringExecution?.nodeSelectorTerms ?? [];
  return terms.flatMap((term) => (term.matchFields ?? []).flatMap((field) => (field.key === 'metadata.name' ? (field.values ?? []) : [])));
}

function localPod(
  template: { readonly spec: V1PodSpec; readonly container: V1Container },
  place: { readonly nodeName: string; readonly host: PodHost },
): LocalPod {
  const { spec, container } = template;
  const { nodeName, host } = place;
  const address = host.addresses.get(nodeName);
  if (address === undefined) throw new Error(`Cannot run a pod on node ${nodeName}: it has no address`);
  const { startupProbe, livenessProbe, readinessProbe } = container;
  if (startupProbe === undefined || livenessProbe === undefined || readinessProbe === undefined) {
    throw new Error(`Cannot run a pod on node ${nodeName}: container ${container.name} lacks a probe`);
  }
  const mounts = podMounts(template, place);
  const env = podEnvironment(container, nodeName);
  const inside = (text: string): string =>
    mapPath(expand(text, env), [...mounts, { inside: '/app', outside: host.applicationRoot, secret: undefined }]);
  const [command = '', ...rest] = [...(container.command ?? []), ...(container.args ?? [])].map(inside);
  return {
    name: nodeName,
    command: command === 'node' ? host.nodeBinary : command,
    args: rest,
    env,
    logFile: host.paths.node(nodeName).log,
    graceMs: (spec.terminationGracePeriodSeconds ?? 30) * 1000,
    startupProbe: httpProbe(startupProbe, address),
    livenessProbe: httpProbe(livenessProbe, address),
    readinessProbe: httpProbe(readinessProbe, address),
    mounts,
  };
}

function podMounts(
  template: { readonly spec: V1PodSpec; readonly container: V1Container },
  place: { readonly nodeName: string; readonly host: PodHost },
): Mount[] {
  const folders = place.host.paths.node(place.nodeName);
  return (template.container.volumeMounts ?? []).map((mount) => {
    const volume = template.spec.volumes?.find((candidate) => candidate.name === mount.name);
    if (volume?.secret?.secretName !== undefined)
      return { inside: mount.mountPath, outside: folders.config, secret: volume.secret.secretName };
    if (volume?.hostPath !== undefined) return { inside: mount.mountPath, outside: folders.drives, secret: undefined };
    throw new Error(`Cannot mount volume ${mount.name} at ${mount.mountPath}: expected a Secret or a hostPath`);
  });
}

function podEnvironment(container: V1Container, nodeName: string): Record<string, string> {
  const entries = (container.env ?? []).map(({ name, value, valueFrom }): [string, string] => {
    if (value !== undefined) return [name, value];
    if (valueFrom?.fieldRef?.fieldPath === 'spec.nodeName') return [name, nodeName];
    throw new Error(`Cannot set ${name} from ${JSON.stringify(valueFrom)}: expected a value or the field spec.nodeName`);
  });
  return Object.fromEntries(entries);
}

/** $(NAME) as Kubernetes expands it; unknown names stay as they are, $$(NAME) is an escape. */
export function expand(text: string, env: Readonly<Record<string, string>>): string {
  return text.replace(/\$(\$?)\(([A-Za-z_][A-Za-z0-9_]*)\)/g, (whole: string, escaped: string, name: string) =>
    escaped === '' ? (env[name] ?? whole) : `$(${name})`,
  );
}

/** A path of the pod as the path that stands for it here; other text stays as it is. */
export function mapPath(text: string, mounts: readonly Mount[]): string {
  const mount = mounts.find(({ inside }) => text === inside || text.startsWith(`${inside}/`));
  return mount === undefined ? text : path.join(mount.outside, text.slice(mount.inside.length));
}

/** A node's TOML with paths as they are on this machine. Throws when the text is not a valid configuration. */
export function mapConfig(text: string, mounts: readonly Mount[]): string {
  const result = parseNodeConfig(text);
  if (result.kind === 'invalid') throw new Error(`Cannot map a configuration: ${result.problems.map(describeProblem).join('; ')}`);
  const drives = result.config.drives.map((drive) => (drive.path === undefined ? drive : { ...drive, path: mapPath(drive.path, mounts) }));
  const { peer_tls } = result.config;
  if (peer_tls === undefined) return renderNodeConfig({ ...result.config, drives });
  const { certificate_file, key_file, ca_file, ...rest } = peer_tls;
  const [certificate, key, authority] = [certificate_file, key_file, ca_file].map((file) => mapPath(file, mounts)) as [
    string,
    string,
    string,
  ];
  const mapped = { ...rest, certificate_file: certificate, key_file: key, ca_file: authority };
  return renderNodeConfig({ ...result.config, drives, peer_tls: mapped });
}
