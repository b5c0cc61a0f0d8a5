/**
 * Makes the folders and files that a pod finds mounted: drives, and the Secret with its configuration.
 */
import { mkdirSync, readdirSync, rmSync } from 'node:fs';
import path from 'node:path';
import type { V1Secret } from '@kubernetes/client-node';
import { joinParts, SHARED_FILE } from '../../node/config/file.ts';
import { parseNodeConfig } from '../../node/config/load.ts';
import { PEER_TLS_FILES } from '../desired/peer-tls.ts';
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
    const further = Object.entries(source.config.stringData ?? {}).filter(([name]) => !name.endsWith('.toml'));
    for (const [name, text] of further) writeIfNew(path.join(mount.outside, name), text);
    writeIfNew(file, mapped);
    const known = new Set(further.map(([name]) => name));
    const old = readdirSync(mount.outside).filter((name) => name.startsWith(PEER_TLS_FILES) && !known.has(name));
    for (const name of old) rmSync(path.join(mount.outside, name));
    if (source.firstStart) makeDrives(mapped);
  }
}

function writeIfNew(file: string, text: string): void {
  if (readIfPresent(file) !== text) writeWhole(file, { text, mode: 0o600 });
}

function makeDrives(text: string): void {
  const result = parseNodeConfig(text);
  if (result.kind === 'invalid') return;
  for (const drive of result.config.drives) {
    if (drive.path !== undefined) mkdirSync(drive.path, { recursive: true, mode: 0o700 });
  }
}
