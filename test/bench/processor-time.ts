/** CPU time of a process, all threads, from /proc; and pinning by taskset. */
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';

/** Kernel ticks a second (USER_HZ), fixed on Linux. */
const TICKS_PER_SECOND = 100;

/** User and system time of all threads of a process so far, in microseconds (proc(5), fields 14 and 15 of stat). */
export function processorTimeUs(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return ((Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND) * 1e6;
}

/** Moves every thread of a process to one processor. */
export function pin(pid: number, processor: number): void {
  execFileSync('taskset', ['-acp', String(processor), String(pid)], { stdio: 'ignore' });
}
