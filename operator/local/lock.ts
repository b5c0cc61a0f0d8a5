/**
 * One supervisor per data directory: DIR/supervisor.pid names it. A lock whose process is gone is taken over.
 */
import { closeSync, openSync, readFileSync, unlinkSync, writeSync } from 'node:fs';
import type { DataPaths } from './paths.ts';
import { identifyProcess, isAlive, type ProcessIdentity } from './process-identity.ts';

export type Lock = { readonly identity: ProcessIdentity; readonly release: () => void };

/** Takes the lock, or says who holds it. */
export function takeLock(paths: DataPaths): Lock | { readonly heldBy: ProcessIdentity } {
  const identity = identifyProcess(process.pid) ?? { pid: process.pid, startedAt: '' };
  // A second round only when a stale lock was removed; a third means that others take it all the time.
  for (let round = 0; round < 3; round += 1) {
    try {
      const descriptor = openSync(paths.lock, 'wx', 0o600);
      writeSync(descriptor, JSON.stringify(identity));
      closeSync(descriptor);
      return { identity, release: () => unlinkSync(paths.lock) };
    } catch (error) {
      if (!(error instanceof Error && 'code' in error && error.code === 'EEXIST')) throw error;
    }
    const holder = lockHolder(paths);
    if (holder !== undefined) return { heldBy: holder };
    unlinkSync(paths.lock);
  }
  throw new Error(`Cannot take ${paths.lock}: another process takes it again and again`);
}

/** The supervisor that holds the lock and lives. */
export function lockHolder(paths: DataPaths): ProcessIdentity | undefined {
  try {
    const holder = JSON.parse(readFileSync(paths.lock, 'utf8')) as ProcessIdentity;
    return isAlive(holder) ? holder : undefined;
  } catch {
    return undefined;
  }
}
