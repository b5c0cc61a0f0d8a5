/**
 * The stores that `npm run bench` measures, each with four drives on the same filesystem and 2 + 2: a storage node, four storage nodes
 * with a drive each, and MinIO. All run on one processor.
 */
import { spawn } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startCluster } from '../cluster/cluster.ts';
import { toolPath } from '../provision/go-tools.mjs';
import { pin } from './processor-time.ts';

/** Where all servers run; the load generator has the other one. */
export const SERVER_PROCESSOR = 0;
const DRIVES = 4;
/** How long MinIO may take to answer. */
const PATIENCE_MS = 60_000;

/** A store under load. */
export type Store = AsyncDisposable & {
  readonly name: string;
  readonly endpoints: readonly string[];
  /** Keys for the load generator. */
  readonly env: Readonly<Record<string, string>>;
  /** Processes whose CPU counts. */
  readonly pids: readonly number[];
};

/** Starts storage nodes from a resource file next to this one. */
export async function startOpenLake(resource: 'one-node.yaml' | 'four-nodes.yaml', name: string): Promise<Store> {
  const cluster = await startCluster(join(import.meta.dirname, resource));
  const { nodes } = await cluster.waitHealthy();
  const pids = nodes.map(({ pid }) => {
    if (pid === null) throw new Error(`a node of ${resource} does not run`);
    pin(pid, SERVER_PROCESSOR);
    return pid;
  });
  const endpoints = nodes.map((node) => node.endpoints.s3);
  return { name, endpoints, env: cluster.env, pids, [Symbol.asyncDispose]: () => cluster[Symbol.asyncDispose]() };
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  if (address === null || typeof address === 'string') throw new Error('no free port');
  return address.port;
}

async function answers(url: string): Promise<boolean> {
  try {
    return (await fetch(url)).ok;
  } catch {
    return false;
  }
}

/** Whether MinIO was built here. */
export function isMinioThere(): boolean {
  return existsSync(toolPath('minio'));
}

/**
 * Starts MinIO on one processor, which it then sees as its only one. Its scanner walks all objects again and again beside the requests;
 * it is set to its slowest, so that what is measured is requests.
 */
export async function startMinio(): Promise<Store> {
  const folder = mkdtempSync(join(tmpdir(), 'openlake-bench-minio-'));
  const drives = Array.from({ length: DRIVES }, (_, index) => join(folder, `d${index}`));
  for (const drive of drives) mkdirSync(drive);
  const [port, consolePort] = [await freePort(), await freePort()];
  const endpoint = `http://127.0.0.1:${port}`;
  const keys = { user: 'benchbench', password: 'benchbenchbench' };
  const words = ['server', '--quiet', '--address', `127.0.0.1:${port}`, '--console-address', `127.0.0.1:${consolePort}`, ...drives];
  const child = spawn('taskset', ['-c', String(SERVER_PROCESSOR), toolPath('minio'), ...words], {
    stdio: ['ignore', 'ignore', 'inherit'],
    env: {
      PATH: process.env['PATH'] ?? '',
      HOME: folder,
      MINIO_ROOT_USER: keys.user,
      MINIO_ROOT_PASSWORD: keys.password,
      MINIO_STORAGE_CLASS_STANDARD: 'EC:2',
      // Lets it use folders of the root's filesystem as drives.
      MINIO_CI_CD: '1',
      MINIO_BROWSER: 'off',
      MINIO_SCANNER_SPEED: 'slowest',
    },
  });
  let ended: string | undefined;
  child.once('error', (error) => (ended = error.message));
  child.once('exit', (code, signal) => (ended = `it ended with ${code ?? signal}`));
  const stop = async (): Promise<void> => {
    if (ended === undefined) {
      const gone = new Promise((resolve) => child.once('exit', resolve));
      child.kill('SIGKILL');
      await gone;
    }
    rmSync(folder, { recursive: true, force: true });
  };
  const endMs = performance.now() + PATIENCE_MS;
  while (!(await answers(`${endpoint}/minio/health/ready`))) {
    if (ended !== undefined || performance.now() > endMs) {
      await stop();
      throw new Error(`MinIO did not start: ${ended ?? `no answer within ${PATIENCE_MS} ms`}`);
    }
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
  const env = { AWS_ACCESS_KEY_ID: keys.user, AWS_SECRET_ACCESS_KEY: keys.password };
  // taskset becomes MinIO by exec, so the process is its own.
  return { name: 'MinIO', endpoints: [endpoint], env, pids: [child.pid as number], [Symbol.asyncDispose]: stop };
}
