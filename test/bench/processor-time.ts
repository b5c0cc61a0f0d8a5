/** CPU time of processes and of the whole machine, from /proc; and pinning by taskset. */
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';

/** Kernel ticks a second (USER_HZ), fixed on Linux. */
const TICKS_PER_SECOND = 100;

/** User and system time of all threads of some processes so far, in microseconds (proc(5), fields 14 and 15 of stat). */
export function processorTimeUs(pids: readonly number[]): number {
  const ticks = pids.map((pid) => {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return Number(fields[11]) + Number(fields[12]);
  });
  return (ticks.reduce((sum, own) => sum + own, 0) / TICKS_PER_SECOND) * 1e6;
}

/**
 * Time that one processor spent on anything so far, kernel threads and interrupts included, in microseconds (proc(5), stat: all but idle,
 * waiting for I/O, and what other guests took).
 */
export function busyTimeUs(processor: number): number {
  const line = readFileSync('/proc/stat', 'utf8')
    .split('\n')
    .find((candidate) => candidate.startsWith(`cpu${processor} `));
  const [user = 0, nice = 0, system = 0, , , interrupt = 0, softInterrupt = 0] = (line ?? '').split(/\s+/).slice(1).map(Number);
  return ((user + nice + system + interrupt + softInterrupt) / TICKS_PER_SECOND) * 1e6;
}

/** Moves every thread of a process to one processor. */
export function pin(pid: number, processor: number): void {
  execFileSync('taskset', ['-acp', String(processor), String(pid)], { stdio: 'ignore' });
}
