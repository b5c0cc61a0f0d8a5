/**
 * Which process a number means. Process ids are reused, so one is only believed together with its start time.
 */
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';

export type ProcessIdentity = { readonly pid: number; readonly startedAt: string };

/** The identity of a running process; undefined when there is none of that id. */
export function identifyProcess(pid: number): ProcessIdentity | undefined {
  const startedAt = startOf(pid);
  return startedAt === undefined ? undefined : { pid, startedAt };
}

/** Whether this very process still runs. */
export function isAlive(identity: ProcessIdentity | undefined): boolean {
  return identity !== undefined && startOf(identity.pid) === identity.startedAt;
}

/** Sends a signal, if the process is still the one that was meant. Returns whether it was. */
export function signalProcess(identity: ProcessIdentity, signal: NodeJS.Signals): boolean {
  if (!isAlive(identity)) return false;
  try {
    process.kill(identity.pid, signal);
    return true;
  } catch {
    return false;
  }
}

/** SIGINT to all, then after `graceMs` SIGKILL to those that are left; resolves when none is. */
export async function endProcesses(identities: readonly ProcessIdentity[], graceMs: number): Promise<void> {
  for (const identity of identities) signalProcess(identity, 'SIGINT');
  await waitForEnd(identities, graceMs);
  for (const identity of identities) signalProcess(identity, 'SIGKILL');
  // A killed process leaves as soon as the kernel lets go of its memory and its I/O.
  await waitForEnd(identities, 10_000);
}

/** Waits until none is alive; false when `timeoutMs` passed first. */
export async function waitForEnd(identities: readonly ProcessIdentity[], timeoutMs: number): Promise<boolean> {
  for (let waitedMs = 0; identities.some(isAlive); waitedMs += 50) {
    if (waitedMs >= timeoutMs) return false;
    await sleep(50);
  }
  return true;
}

/** Start time in the kernel's own words; undefined for a zombie, which is gone but for its parent. */
function startOf(pid: number): string | undefined {
  if (process.platform !== 'linux') return startFromPs(pid);
  try {
    // Field 2 is the command in parentheses and may hold anything; fields 3 (state) and 22 (start) follow the last ')'.
    const fields = readFileSync(`/proc/${pid}/stat`, 'utf8')
      .replace(/^.*\) /s, '')
      .split(' ');
    return fields[0] === 'Z' || fields[0] === 'X' ? undefined : fields[19];
  } catch {
    return undefined;
  }
}

function startFromPs(pid: number): string | undefined {
  try {
    const text = execFileSync('ps', ['-o', 'stat=,lstart=', '-p', String(pid)], { encoding: 'utf8' }).trim();
    return text === '' || text.startsWith('Z') ? undefined : text.replace(/^\S+\s+/, '');
  } catch {
    return undefined;
  }
}
