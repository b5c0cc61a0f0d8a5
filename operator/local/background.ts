/**
 * Runs the supervisor in the background: starts it as a process of its own, shows what it prints until the cluster is
 * ready, and leaves it there.
 */
import { spawn } from 'node:child_process';
import { closeSync, mkdirSync, openSync, readSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { LocalError } from './local-error.ts';
import { lockHolder } from './lock.ts';
import type { DataPaths } from './paths.ts';
import { readState } from './state.ts';

/** Resolves when the cluster is ready. `command` runs the supervisor in its foreground. Throws LocalError when it fails. */
export async function runInBackground(
  paths: DataPaths,
  options: { readonly command: readonly string[]; readonly print: (text: string) => void },
): Promise<void> {
  mkdirSync(paths.root, { recursive: true, mode: 0o700 });
  const holder = lockHolder(paths);
  if (holder !== undefined) {
    throw new LocalError(
      `${paths.root} is already running (supervisor pid ${holder.pid}); see \`openlake status\`, stop it with \`openlake down\``,
    );
  }
  const [command = '', ...args] = options.command;
  const log = openSync(paths.supervisorLog, 'w+', 0o600);
  const child = spawn(command, args, { detached: true, stdio: ['ignore', log, log] });
  let exitCode: number | undefined;
  child.once('exit', (code) => {
    exitCode = code ?? 1;
  });
  child.once('error', () => {
    exitCode = 127;
  });
  const show = follow(log, options.print);
  try {
    for (;;) {
      const ended = exitCode;
      const state = readState(paths);
      const ready = state?.phase === 'Ready' && state.supervisor?.pid === child.pid;
      // The state is written before the last lines are printed.
      if (ready) await sleep(100);
      show();
      if (ready) return child.unref();
      if (ended !== undefined) throw new LocalError(`The supervisor ended with exit code ${ended}; its log is ${paths.supervisorLog}`);
      await sleep(50);
    }
  } finally {
    closeSync(log);
  }
}

/** Prints what was added to a file since the last call, whole lines only. */
function follow(descriptor: number, print: (text: string) => void): () => void {
  let offset = 0;
  let rest = '';
  const buffer = Buffer.alloc(65536);
  return () => {
    for (;;) {
      const length = readSync(descriptor, buffer, 0, buffer.length, offset);
      if (length === 0) return;
      offset += length;
      const lines = (rest + buffer.toString('utf8', 0, length)).split('\n');
      rest = lines.pop() ?? '';
      for (const line of lines) print(line);
    }
  };
}
