/**
 * Real storage nodes as processes on this machine: a configuration in a folder of their own, node/main.ts run over it.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { S3Client } from '@aws-sdk/client-s3';
import { renderNodeConfig } from '../../../node/config/render.ts';
import type { NodeConfig } from '../../../node/config/schema.ts';
import { layoutHash } from '../../../node/layout/hash.ts';
import { layoutPool } from '../../../node/layout/layout.ts';
import { sampleConfig } from '../config/sample-config.ts';

const MAIN = fileURLToPath(new URL('../../../node/main.ts', import.meta.url));
/** Long enough for a loaded machine; a node that is ready earlier is noticed earlier. */
const READY_TIMEOUT_MS = 60_000;
const WAIT_MS = 30_000;
const POLL_MS = 50;

export type ClusterShape = {
  readonly nodes: number;
  readonly drivesPerNode: number;
  readonly engine?: 'auto' | 'uring' | 'poll';
  readonly cores?: number;
};

/** Configurations of a whole 2+2 cluster on 127.0.0.1, below `folder`. */
export async function clusterConfigs(folder: string, shape: ClusterShape): Promise<NodeConfig[]> {
  const base = sampleConfig();
  const ports = await freePorts(shape.nodes * 3);
  const nodes = Array.from({ length: shape.nodes }, (_, id) => {
    const [s3_port = 0, peer_port = 0, admin_port = 0] = ports.slice(id * 3);
    return { id, address: '127.0.0.1', s3_port, peer_port, admin_port };
  });
  const sets = layoutPool({
    pool: 'p0',
    nodes: nodes.map((node) => ({ id: node.id, zone: 'z' })),
    drivesPerNode: shape.drivesPerNode,
    data: 2,
    parity: 2,
    weight: 100,
    firstSetId: 0,
  }).map((set) => ({ ...set, slots: [...set.slots] }));
  return nodes.map(({ id, s3_port, peer_port, admin_port }) => ({
    ...base,
    layout: { epoch: 1, hash: layoutHash({ epoch: 1, sets }) },
    node: { id, name: `p0-${id}`, address: '127.0.0.1' },
    listen: { s3: `127.0.0.1:${s3_port}`, peer: `127.0.0.1:${peer_port}`, admin: `127.0.0.1:${admin_port}` },
    nodes,
    sets,
    drives: Array.from({ length: shape.drivesPerNode }, (_, drive) => {
      const place = path.join(folder, `node${id}`, `d${drive}`);
      mkdirSync(place, { recursive: true });
      return { path: place, mount_check: 'directory' as const, capacity_bytes: 1024 ** 3 };
    }),
    io: { ...base.io, engine: shape.engine ?? 'auto', cores: shape.cores ?? 1 },
  }));
}

/** A folder that is removed when disposed. */
export function temporaryFolder(): Disposable & { readonly path: string } {
  const folder = mkdtempSync(path.join(tmpdir(), 'openlake-node-'));
  return { path: folder, [Symbol.dispose]: () => rmSync(folder, { recursive: true, force: true }) };
}

/** Waits until `check` holds; fails with `what` when that takes too long. */
export async function until(check: () => Promise<boolean>, what: string): Promise<void> {
  const endMs = performance.now() + WAIT_MS;
  while (!(await check())) {
    if (performance.now() > endMs) throw new Error(`waited in vain for: ${what}`);
    await sleep(POLL_MS);
  }
}

/** Ports that were free a moment ago. */
async function freePorts(count: number): Promise<number[]> {
  const servers = Array.from({ length: count }, () => createServer().listen(0, '127.0.0.1'));
  await Promise.all(servers.map((server) => once(server, 'listening')));
  const ports = servers.map((server) => {
    const address = server.address();
    return typeof address === 'object' && address !== null ? address.port : 0;
  });
  await Promise.all(servers.map((server) => once(server.close(), 'close')));
  return ports;
}

/** One node's process. Disposing kills it. */
export class NodeProcess implements AsyncDisposable {
  readonly config: NodeConfig;
  readonly file: string;
  readonly #child: ChildProcess;
  #log = '';

  constructor(folder: string, config: NodeConfig) {
    this.config = config;
    this.file = path.join(folder, `${config.node.name}.toml`);
    this.writeConfig(config);
    this.#child = spawn(process.execPath, [MAIN, '--config', this.file], { stdio: ['ignore', 'ignore', 'pipe'] });
    this.#child.stderr?.on('data', (chunk: Buffer) => {
      this.#log += chunk.toString();
    });
  }

  /** What it has written to standard error. */
  get log(): string {
    return this.#log;
  }

  /** Writes another content of the configuration file. */
  writeConfig(config: NodeConfig): void {
    writeFileSync(this.file, renderNodeConfig(config), { mode: 0o600 });
  }

  /** Resolves once /readyz says so; rejects with the log when the process ends or time is up. */
  async ready(): Promise<void> {
    const endMs = performance.now() + READY_TIMEOUT_MS;
    for (;;) {
      const reply = await fetch(`http://${this.config.listen.admin}/readyz`).catch(() => undefined);
      if (reply?.status === 200) return;
      const hasEnded = this.#child.exitCode !== null || this.#child.signalCode !== null;
      if (hasEnded || performance.now() > endMs) {
        throw new Error(`Node ${this.config.node.name} is not ready: ${(await reply?.text()) ?? 'no answer'}\n${this.#log}`);
      }
      await sleep(POLL_MS);
    }
  }

  /** GET of the admin API with the token, as JSON. */
  async admin(route: string): Promise<unknown> {
    const headers = { authorization: `Bearer ${this.config.secrets.admin_token}` };
    return await (await fetch(`http://${this.config.listen.admin}${route}`, { headers })).json();
  }

  /** Sends a signal; resolves with the exit code, or the signal that ended it. */
  async end(signal: NodeJS.Signals): Promise<number | NodeJS.Signals | null> {
    this.#child.kill(signal);
    return await this.exit();
  }

  /** Resolves when the process has ended. */
  async exit(): Promise<number | NodeJS.Signals | null> {
    if (this.#child.exitCode === null && this.#child.signalCode === null) await once(this.#child, 'exit');
    return this.#child.exitCode ?? this.#child.signalCode;
  }

  /** An SDK client with its defaults. */
  client(credentials: NodeConfig['credentials'] = this.config.credentials): S3Client {
    const [credential] = credentials;
    return new S3Client({
      endpoint: `http://${this.config.listen.s3}`,
      region: this.config.cluster.region,
      forcePathStyle: true,
      credentials: { accessKeyId: credential?.access_key ?? '', secretAccessKey: credential?.secret_key ?? '' },
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.end('SIGKILL');
  }
}
