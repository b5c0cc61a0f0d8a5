/** A server process of a test: started with a log file, watched for an early end, stopped by its own id. */
import { spawn } from 'node:child_process';
import { closeSync, openSync, readFileSync } from 'node:fs';
import net from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';

export type Service = {
  readonly name: string;
  readonly pid: number;
  readonly logFile: string;
  /** How it ended; undefined while it runs. */
  readonly ended: () => string | undefined;
  /** SIGTERM (or `signal`), after `graceMs` SIGKILL; resolves when it is gone. */
  readonly stop: (signal?: NodeJS.Signals, graceMs?: number) => Promise<void>;
};

/** A command line whose process is killed by the kernel when this process ends, in whatever way. Its id stays the same. */
export function untilParentEnds(command: { readonly file: string; readonly args: readonly string[] }): { file: string; args: string[] } {
  return { file: 'setpriv', args: ['--pdeathsig', 'KILL', '--', command.file, ...command.args] };
}

/** Starts a program; its output goes to `logFile`. */
export function startService(
  name: string,
  options: {
    readonly command: string;
    readonly args: readonly string[];
    readonly logFile: string;
    readonly env?: Readonly<Record<string, string>>;
  },
): Service {
  const log = openSync(options.logFile, 'a');
  const { file, args } = untilParentEnds({ file: options.command, args: options.args });
  const child = spawn(file, args, { stdio: ['ignore', log, log], env: { ...process.env, ...options.env } });
  closeSync(log);
  let end: string | undefined;
  const gone = new Promise<void>((resolve) => {
    const ended = (how: string): void => {
      end ??= how;
      resolve();
    };
    child.once('exit', (code, signal) => ended(`ended with ${code ?? signal}`));
    child.once('error', (error) => ended(`did not start: ${error.message}`));
  });
  return {
    name,
    pid: child.pid ?? 0,
    logFile: options.logFile,
    ended: () => end,
    stop: async (signal = 'SIGTERM', graceMs = 10_000) => {
      if (end !== undefined) return;
      child.kill(signal);
      const kill = setTimeout(() => child.kill('SIGKILL'), graceMs);
      await gone;
      clearTimeout(kill);
    },
  };
}

/** The last lines of a service's log, for messages. */
export function logTail(service: Service, lines = 20): string {
  return readFileSync(service.logFile, 'utf8').trimEnd().split('\n').slice(-lines).join('\n');
}

/** Asks until `wanted` gives something; throws with the service's log when it ended first, or after `patienceMs`. */
export async function waitForService<T>(service: Service, wanted: () => Promise<T | undefined>, patienceMs = 120_000): Promise<T> {
  const endMs = performance.now() + patienceMs;
  for (;;) {
    const found = await wanted();
    if (found !== undefined) return found;
    const ended = service.ended();
    if (ended !== undefined) throw new Error(`${service.name} ${ended}:\n${logTail(service)}`);
    if (performance.now() > endMs) throw new Error(`${service.name} is not ready after ${patienceMs / 1000} s:\n${logTail(service)}`);
    await sleep(100);
  }
}

/** A port that was free a moment ago. */
export function freePort(address = '127.0.0.1'): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = net.createServer();
    server.once('error', reject);
    server.listen({ host: address, port: 0 }, () => {
      const found = server.address();
      server.close(() => (typeof found === 'object' && found !== null ? resolve(found.port) : reject(new Error('no port'))));
    });
  });
}
