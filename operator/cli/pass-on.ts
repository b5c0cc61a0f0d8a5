/** Commands that belong to the node: `openlake node`, `bench` and `drive` run its programs with the same arguments. */
import { spawn } from 'node:child_process';
import path from 'node:path';
import type { Command } from './command.ts';

const nodeFolder = path.resolve(import.meta.dirname, '../../node');

export const node: Command = passOn('node', { program: 'main.ts', summary: 'run one storage node (--config FILE)' });
export const bench: Command = passOn('bench', { program: 'cli/bench.ts', summary: 'measure and verify an S3 endpoint' });
export const drive: Command = passOn('drive', {
  program: 'cli/drive.ts',
  summary: 'inspect, verify or rebuild a drive that is not in use',
});

function passOn(name: string, target: { readonly program: string; readonly summary: string }): Command {
  return {
    name,
    summary: target.summary,
    help: '',
    passesHelp: true,
    run: (args) => runProgram(path.join(nodeFolder, target.program), args),
  };
}

/** Runs a program in the foreground; signals reach it, its end is ours. */
function runProgram(program: string, args: readonly string[]): Promise<number> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [program, ...args], { stdio: 'inherit' });
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => child.kill(signal));
    child.once('error', reject);
    child.once('exit', (code, signal) => resolve(code ?? (signal === null ? 1 : 128)));
  });
}
