/**
 * A real cluster for tests: started and stopped through the `openlake` command, as a user would. Waiting looks at the report that
 * `openlake status` prints without a process for every look, which would keep a processor busy.
 */
import { execFile } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { dataPaths } from '../../operator/local/paths.ts';
import { localStatus, type StatusReport } from '../../operator/local/status.ts';
import { pythonFolder } from '../provision/python-clients.mjs';

const root = join(import.meta.dirname, '..', '..');
const run = promisify(execFile);

/** How long a cluster may take to get where a test wants it; generous, since machines are slow and shared. */
const PATIENCE_MS = 120_000;

export type Finished = { readonly code: number; readonly stdout: string; readonly stderr: string };

/** Runs a program to its end; never throws for a non-zero exit. */
export async function runProgram(
  file: string,
  options: { readonly args: readonly string[]; readonly env?: Readonly<Record<string, string>>; readonly cwd?: string },
): Promise<Finished> {
  try {
    const { stdout, stderr } = await run(file, [...options.args], {
      cwd: options.cwd ?? root,
      env: { ...process.env, ...options.env },
      maxBuffer: 64 * 1024 * 1024,
    });
    return { code: 0, stdout, stderr };
  } catch (error) {
    const { code, stdout, stderr } = error as { code?: number | string; stdout?: string; stderr?: string };
    return { code: typeof code === 'number' ? code : 1, stdout: stdout ?? '', stderr: stderr ?? String(error) };
  }
}

/** Runs `openlake WORDS`. */
export async function openlake(words: readonly string[], env: Readonly<Record<string, string>> = {}): Promise<Finished> {
  return runProgram(process.execPath, { args: [join(root, 'operator/cli/main.ts'), ...words], env });
}

function must(finished: Finished, what: string): Finished {
  if (finished.code !== 0) throw new Error(`${what} ended with ${finished.code}:\n${finished.stdout}\n${finished.stderr}`);
  return finished;
}

/** A running cluster and what a test does with it. */
export type TestCluster = AsyncDisposable & {
  readonly dataFolder: string;
  /** What DIR/env exports, for clients. */
  readonly env: Readonly<Record<string, string>>;
  readonly status: () => Promise<StatusReport>;
  /** Polls the status until it is as wanted; the error shows the last one. */
  readonly waitFor: (what: string, wanted: (status: StatusReport) => boolean) => Promise<StatusReport>;
  readonly waitHealthy: () => Promise<StatusReport>;
  readonly stopNode: (name: string, signal?: 'KILL' | 'TERM') => Promise<void>;
  readonly startNode: (name: string) => Promise<void>;
  /** Ends all of it cleanly and keeps the data. */
  readonly down: () => Promise<void>;
  readonly up: () => Promise<void>;
  /** A node's log. */
  readonly log: (name: string) => string;
  readonly aws: (...args: readonly string[]) => Promise<Finished>;
  readonly awsMust: (...args: readonly string[]) => Promise<string>;
  readonly python: (script: string, ...args: readonly string[]) => Promise<Finished>;
};

function readEnv(dataFolder: string): Record<string, string> {
  const lines = readFileSync(join(dataFolder, 'env'), 'utf8').matchAll(/^export ([A-Z_]+)=(.*)$/gm);
  return Object.fromEntries([...lines].map(([, name, value]) => [name as string, (value as string).replace(/^['"]|['"]$/g, '')]));
}

function isHealthy(status: StatusReport): boolean {
  return status.sets.length > 0 && status.sets.every((set) => set.state === 'Healthy') && status.nodes.every((node) => node.ready);
}

/** Starts a cluster from a resource file in a fresh folder; dispose of it with `await using`. */
export async function startCluster(resource: string = join(root, 'crds/examples/minimal.yaml')): Promise<TestCluster> {
  const dataFolder = mkdtempSync(join(tmpdir(), 'openlake-test-'));
  const data = ['--data', dataFolder];
  const up = async (): Promise<void> => {
    must(await openlake(['up', '--detach', '--file', resource, ...data]), 'openlake up');
  };
  const down = async (): Promise<void> => {
    must(await openlake(['down', ...data]), 'openlake down');
  };
  const status = async (): Promise<StatusReport> => JSON.parse((await openlake(['status', '--json', ...data])).stdout) as StatusReport;
  const waitFor = async (what: string, wanted: (status: StatusReport) => boolean): Promise<StatusReport> => {
    const endMs = performance.now() + PATIENCE_MS;
    for (;;) {
      const current = await localStatus(dataPaths(dataFolder));
      if (wanted(current)) return current;
      if (performance.now() > endMs) throw new Error(`waited for ${what} in vain: ${JSON.stringify(current, null, 1)}`);
      await new Promise((resolve) => setTimeout(resolve, 250));
    }
  };
  const dispose = async (): Promise<void> => {
    await openlake(['down', ...data]);
    rmSync(dataFolder, { recursive: true, force: true });
  };
  try {
    await up();
  } catch (error) {
    await dispose();
    throw error;
  }
  const env = {
    ...readEnv(dataFolder),
    AWS_EC2_METADATA_DISABLED: 'true',
    AWS_CONFIG_FILE: '/dev/null',
    AWS_SHARED_CREDENTIALS_FILE: '/dev/null',
  };
  const aws = (...args: readonly string[]): Promise<Finished> => runProgram(join(pythonFolder, 'bin/aws'), { args, env });
  return {
    dataFolder,
    env,
    status,
    waitFor,
    waitHealthy: () => waitFor('all sets to be Healthy', isHealthy),
    stopNode: async (name, signal = 'KILL') => {
      must(await openlake(['local', 'stop-node', name, '--signal', signal, ...data]), `stopping ${name}`);
    },
    startNode: async (name) => {
      must(await openlake(['local', 'start-node', name, ...data]), `starting ${name}`);
    },
    down,
    up,
    log: (name) => readFileSync(join(dataFolder, name, 'log'), 'utf8'),
    aws,
    awsMust: async (...args) => must(await aws(...args), `aws ${args.join(' ')}`).stdout,
    python: (script, ...args) =>
      runProgram(join(pythonFolder, 'bin/python'), { args: [join(root, 'test/cluster/clients', script), ...args], env }),
    [Symbol.asyncDispose]: dispose,
  };
}
