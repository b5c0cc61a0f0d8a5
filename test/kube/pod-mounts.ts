/**
 * The volumes of a pod as folders, and how a process comes to see them at the container's mount paths.
 *
 * A container runs in a mount namespace of its own. Where a mount path does not exist on this machine, an overlay over
 * its nearest existing parent makes room for it, so nothing is ever written to the machine itself.
 *
 *     NODE/host/PATH         what the node has at hostPath PATH; stays when pods go
 *     POD/volumes/NAME/      Secret, ConfigMap, projected and empty volumes
 *     POD/overlay/           upper and work folders of overlays
 *
 * Secrets are written as a kubelet does: files in a folder of their own, `..data` is a symbolic link to it, each key a
 * link through `..data`. An update makes a new folder and turns `..data` by one rename.
 */
import { existsSync, mkdirSync, readdirSync, readFileSync, readlinkSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import type { V1Container, V1Pod, V1Volume } from '@kubernetes/client-node';

export type Bind = { readonly inside: string; readonly outside: string; readonly readOnly: boolean };

/** What a volume may take its files from. */
export type VolumeSources = {
  /** Content of a Secret or ConfigMap by name, in the pod's namespace; undefined when there is none. */
  readonly read: (kind: 'secrets' | 'configmaps', name: string) => Promise<ReadonlyMap<string, Buffer> | undefined>;
  /** A token of the pod's ServiceAccount. */
  readonly token: () => Promise<string>;
};

/** A volume that cannot be mounted yet; the kubelet would say FailedMount and try again. */
export class VolumeNotReady extends Error {}

export type PodFolders = { readonly pod: string; readonly host: string };

/** Makes the folders of all volumes, with what should be in them. Throws VolumeNotReady where a kubelet would wait. */
export async function makeVolumes(pod: V1Pod, at: { readonly folders: PodFolders; readonly sources: VolumeSources }): Promise<void> {
  for (const volume of pod.spec?.volumes ?? []) {
    if (volume.hostPath !== undefined) {
      const folder = path.join(at.folders.host, volume.hostPath.path);
      if (volume.hostPath.type === 'DirectoryOrCreate') mkdirSync(folder, { recursive: true });
      else if (!existsSync(folder)) throw new VolumeNotReady(`hostPath type check failed: ${volume.hostPath.path} is not a directory`);
      continue;
    }
    const folder = volumeFolder(volume, at.folders);
    mkdirSync(folder, { recursive: true });
    const files = await filesOf(pod, volume, at.sources);
    if (files !== undefined) writeAtomically(folder, files, volume.secret?.defaultMode ?? 0o644);
  }
}

/** The mounts of one container. */
export function bindsOf(pod: V1Pod, container: V1Container, folders: PodFolders): Bind[] {
  return (container.volumeMounts ?? []).map((mount) => {
    const volume = pod.spec?.volumes?.find((candidate) => candidate.name === mount.name);
    if (volume === undefined) throw new Error(`pod ${pod.metadata?.name} has no volume ${mount.name}`);
    if (mount.subPath !== undefined) throw new Error(`subPath of ${mount.name} is not supported here`);
    return { inside: mount.mountPath, outside: volumeFolder(volume, folders), readOnly: mount.readOnly ?? false };
  });
}

function volumeFolder(volume: V1Volume, folders: PodFolders): string {
  return volume.hostPath === undefined ? path.join(folders.pod, 'volumes', volume.name) : path.join(folders.host, volume.hostPath.path);
}

async function filesOf(pod: V1Pod, volume: V1Volume, sources: VolumeSources): Promise<Map<string, Buffer> | undefined> {
  const content = async (kind: 'secrets' | 'configmaps', name = '', optional = false): Promise<ReadonlyMap<string, Buffer>> => {
    const found = await sources.read(kind, name);
    if (found === undefined && !optional) throw new VolumeNotReady(`${kind} ${name} not found`);
    return found ?? new Map();
  };
  if (volume.secret !== undefined)
    return pick(await content('secrets', volume.secret.secretName, volume.secret.optional), volume.secret.items);
  if (volume.configMap !== undefined)
    return pick(await content('configmaps', volume.configMap.name, volume.configMap.optional), volume.configMap.items);
  if (volume.projected !== undefined) {
    const files = new Map<string, Buffer>();
    for (const source of volume.projected.sources ?? []) {
      if (source.serviceAccountToken !== undefined) files.set(source.serviceAccountToken.path, Buffer.from(await sources.token()));
      if (source.configMap !== undefined)
        for (const [name, bytes] of pick(await content('configmaps', source.configMap.name), source.configMap.items))
          files.set(name, bytes);
      if (source.secret !== undefined)
        for (const [name, bytes] of pick(await content('secrets', source.secret.name), source.secret.items)) files.set(name, bytes);
      for (const item of source.downwardAPI?.items ?? [])
        files.set(item.path, Buffer.from(item.fieldRef?.fieldPath === 'metadata.namespace' ? (pod.metadata?.namespace ?? '') : ''));
    }
    return files;
  }
  if (volume.emptyDir !== undefined) return undefined;
  throw new Error(`volume ${volume.name} of pod ${pod.metadata?.name} is of a kind that is not supported here`);
}

function pick(
  content: ReadonlyMap<string, Buffer>,
  items: readonly { readonly key: string; readonly path: string }[] | undefined,
): Map<string, Buffer> {
  if (items === undefined) return new Map(content);
  return new Map(items.flatMap((item) => (content.has(item.key) ? [[item.path, content.get(item.key) as Buffer] as const] : [])));
}

/** Writes a set of files that readers see change all at once; does nothing when they are as wanted. */
export function writeAtomically(folder: string, files: ReadonlyMap<string, Buffer>, mode: number): void {
  const current = existsSync(path.join(folder, '..data')) ? path.join(folder, readlinkSync(path.join(folder, '..data'))) : undefined;
  if (current !== undefined && sameFiles(current, files)) return;
  const name = `..${Date.now()}_${process.hrtime.bigint() % 1_000_000n}`;
  mkdirSync(path.join(folder, name));
  for (const [file, bytes] of files) writeFileSync(path.join(folder, name, file), bytes, { mode });
  const link = path.join(folder, '..data_tmp');
  rmSync(link, { force: true });
  symlinkSync(name, link);
  renameSync(link, path.join(folder, '..data'));
  for (const file of files.keys()) {
    const visible = path.join(folder, file);
    if (!existsSync(visible)) symlinkSync(path.join('..data', file), visible);
  }
  for (const entry of readdirSync(folder)) if (!entry.startsWith('..') && !files.has(entry)) rmSync(path.join(folder, entry));
  if (current !== undefined) rmSync(current, { recursive: true });
}

function sameFiles(folder: string, files: ReadonlyMap<string, Buffer>): boolean {
  const present = readdirSync(folder);
  return present.length === files.size && present.every((name) => files.get(name)?.equals(readFileSync(path.join(folder, name))) ?? false);
}

/**
 * The command line that runs a program with these mounts in a mount namespace of its own, which the machine's later mounts
 * reach but which reaches nothing itself. The process id stays the same through all of it, so signals reach the program.
 */
export function inMountNamespace(
  command: { readonly file: string; readonly args: readonly string[] },
  mounts: { readonly binds: readonly Bind[]; readonly overlay: string },
): { file: string; args: string[] } {
  const parents = [...new Set(mounts.binds.map(({ inside }) => existingParent(inside)))].toSorted(
    (left, right) => left.length - right.length,
  );
  const overlays = parents.map((parent, index) => {
    const [upper, work] = ['upper', 'work'].map((kind) => path.join(mounts.overlay, `${index}-${kind}`)) as [string, string];
    for (const folder of [upper, work]) {
      rmSync(folder, { recursive: true, force: true });
      mkdirSync(folder, { recursive: true });
    }
    return `mount -t overlay overlay -o ${quote(`lowerdir=${parent},upperdir=${upper},workdir=${work}`)} ${quote(parent)}`;
  });
  const lines = [
    'set -e',
    ...overlays,
    ...mounts.binds.flatMap(({ inside, outside, readOnly }) => [
      `mkdir -p ${quote(inside)}`,
      `mount --rbind ${quote(outside)} ${quote(inside)}`,
      ...(readOnly ? [`mount -o remount,bind,ro ${quote(inside)}`] : []),
    ]),
    'exec "$@"',
  ];
  const user = process.getuid?.() === 0 ? [] : ['--user', '--map-root-user'];
  return {
    file: 'unshare',
    args: [...user, '--mount', '--propagation', 'slave', 'sh', '-c', lines.join('\n'), 'sh', command.file, ...command.args],
  };
}

/** A word for the shell. */
function quote(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}

/** The nearest folder above a mount path that this machine has; never the root, over which no overlay can lie. */
function existingParent(inside: string): string {
  let parent = path.dirname(inside);
  while (!existsSync(parent)) parent = path.dirname(parent);
  if (parent === '/') throw new Error(`Cannot mount at ${inside}: a folder directly below / must exist on this machine`);
  return parent;
}
