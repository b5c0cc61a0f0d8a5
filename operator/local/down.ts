/** Stops what runs in a data directory: the supervisor, which ends its nodes, or nodes that outlived theirs. */
import { LocalError } from './local-error.ts';
import { lockHolder } from './lock.ts';
import type { DataPaths } from './paths.ts';
import { endProcesses, isAlive, signalProcess, waitForEnd } from './process-identity.ts';
import { readState, writeState } from './state.ts';

/** A node's grace (30 s), the kill after it, and the supervisor's own end. */
const PATIENCE_MS = 45_000;

/** Resolves when nothing of the directory runs any more. Throws LocalError when there is no cluster in it. */
export async function stopCluster(paths: DataPaths, print: (line: string) => void): Promise<void> {
  const holder = lockHolder(paths);
  if (holder !== undefined) {
    print(`stopping the supervisor (pid ${holder.pid}) and its nodes ...`);
    signalProcess(holder, 'SIGTERM');
    if (!(await waitForEnd([holder], PATIENCE_MS)))
      throw new LocalError(`The supervisor (pid ${holder.pid}) did not end within ${PATIENCE_MS / 1000} s`);
  }
  const state = readState(paths);
  if (state === undefined) throw new LocalError(`There is no cluster in ${paths.root}: it has no state.json`);
  const alive = state.pods.flatMap((pod) => (pod.process !== undefined && isAlive(pod.process) ? [pod.process] : []));
  if (alive.length > 0) {
    print(`stopping ${alive.length} nodes whose supervisor is gone ...`);
    await endProcesses(alive, 30_000);
  }
  const pods = state.pods.map((pod) => ({ ...pod, phase: 'Stopped' as const, ready: false, process: undefined }));
  writeState(paths, { ...state, phase: 'Stopped', supervisor: undefined, control: undefined, pods });
  print(holder === undefined && alive.length === 0 ? 'it was not running' : 'stopped; the data stays and the next start finds it');
}
