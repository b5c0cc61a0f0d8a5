/**
 * Makes the folders and files that a pod finds mounted: drives, and the Secret with its configuration.
 */
import { mkdirSync } from 'node:fs';
import path from 'node:path';
import type { V1Secret } from '@kubernetes/client-node';
import { joinParts, SHARED_FILE } from '../../node/config/file.ts';
import { parseNodeConfig } from '../../node/config/load.ts';
import { readIfPresent, writeWhole } from './files.ts';
import { type LocalPod, mapConfig } from './pod.ts';

/**
 * Creates the pod's folders and writes its configuration, if it changed: one file with the pod's own part and the shared one, since
 * processes of one user cannot be kept from reading each other's files anyway and one is easier to find.
 *
 * Drives' own folders are made on the first start only: afterwards a missing one is a lost drive, not a new one.
 */
export function mountPod(pod: LocalPod, source: { readonly config: V1Secret; readonly firstStart: boolean }): void {
  mkdirSync(path.dirname(pod.logFile), { recursive: true });
  for (const mount of pod.mounts) {
    mkdirSync(mount.outside, { recursive: true, mode: 0o700 });
    if (mount.secret === undefined) continue;
    if (mount.secret !== source.config.metadata?.name)
      throw new Error(`Cannot mount Secret ${mount.secret}: it is not one of the cluster's`);
    const key = `${pod.name}.toml`;
    const own = source.config.stringData?.[key];
    const shared = source.config.stringData?.[SHARED_FILE];
    if (own === undefined || shared === undefined)
      throw new Error(`Cannot mount Secret ${mount.secret}: it has no key ${key} or ${SHARED_FILE}`);
    const mapped = mapConfig(joinParts(own, shared), pod.mounts);
    const file = path.join(mount.outside, key);
    if (readIfPresent(file) !== mapped) writeWhole(file, { text: mapped, mode: 0o600 });
    if (source.firstStart) makeDrives(mapped);
  }
}

function makeDrives(text: string): void {
  const result = parseNodeConfig(text);
  if (result.kind === 'invalid') return;
  for (const drive of result.config.drives) {
    if (drive.path !== undefined) mkdirSync(drive.path, { recursive: true, mode: 0o700 });
  }
}
