/**
 * Runs a prepared cluster until it is told to stop: starts its pods, reports, restarts, takes orders, latches bootstrap.
 */
import { closeSync, mkdirSync, openSync, readSync, statSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { fetchSetHealth } from '../observe/admin-client.ts';
import { isBootstrapped } from '../plan/sets.ts';
import { type ControlOrder, type ControlReply, serveControl } from './control.ts';
import { LocalError } from './local-error.ts';
import { takeLock } from './lock.ts';
import type { DataPaths } from './paths.ts';
import { type PreparedCluster, type PrepareOptions, prepareCluster } from './prepare-cluster.ts';
import { readyText } from './ready-text.ts';
import { type ClusterPhase, type LocalState, writeState } from './state.ts';
import { type PodEvent, SupervisedPod } from './supervised-pod.ts';

export type RunOptions = PrepareOptions & {
  /** Aborted when everything shall stop. */
  readonly stop: AbortSignal;
  readonly background: boolean;
};

/** A node that ended this often before it was ever ready will not come up by itself. */
const HOPELESS_EXITS = 3;
/** The exit code by which a node says that its configuration is wrong: trying again changes nothing. */
const REFUSED_CONFIGURATION = 2;
/** Without any node becoming ready for so long, a fresh cluster has failed. */
const STARTUP_PATIENCE_MS = 120_000;

/**
 * Runs the cluster of a data directory in this process. Returns when it was told to stop and all nodes are gone.
 *
 * Throws LocalError when the directory is in use or the cluster does not come up; nothing is left running then.
 */
export async function runCluster(paths: DataPaths, options: RunOptions): Promise<void> {
  mkdirSync(paths.root, { recursive: true, mode: 0o700 });
  const lock = takeLock(paths);
  if ('heldBy' in lock) {
    throw new LocalError(
      `${paths.root} is already running (supervisor pid ${lock.heldBy.pid}); see \`openlake status\`, stop it with \`openlake down\``,
    );
  }
  try {
    const prepared = await prepareCluster(paths, lock.identity, options);
    await new Supervisor(paths, prepared, options).run();
  } finally {
    lock.release();
  }
}

class Supervisor {
  readonly #paths: DataPaths;
  readonly #prepared: PreparedCluster;
  readonly #options: RunOptions;
  readonly #pods: readonly SupervisedPod[];
  /** Ends of each pod before it was ready for the first time. */
  readonly #earlyExits = new Map<string, number>();
  readonly #everReady = new Set<string>();
  #state: LocalState;
  #lastProgressMs = Date.now();

  constructor(paths: DataPaths, prepared: PreparedCluster, options: RunOptions) {
    this.#paths = paths;
    this.#prepared = prepared;
    this.#options = options;
    this.#state = prepared.state;
    this.#pods = prepared.pods.map((pod): SupervisedPod => {
      const supervised: SupervisedPod = new SupervisedPod(pod, (event) => this.#onEvent(supervised, event));
      return supervised;
    });
  }

  async run(): Promise<void> {
    const { reservation, secrets } = this.#prepared;
    for (const server of reservation.servers) serveControl(server, { token: secrets.adminToken, obey: (order) => this.#obey(order) });
    const startedMs = Date.now();
    try {
      for (const pod of this.#pods) pod.start();
      const outcome = await this.#waitUntilReady();
      if (outcome === 'ready') {
        this.#update({ phase: 'Ready' });
        const text = readyText({
          ...this.#prepared,
          paths: this.#paths,
          background: this.#options.background,
          tookMs: Date.now() - startedMs,
        });
        this.#options.print(text);
      }
      await this.#untilStopped();
    } catch (error) {
      await this.#stopAll('Failed');
      throw error;
    }
    await this.#stopAll('Stopped');
  }

  /** Throws LocalError when a fresh cluster cannot come up; one that holds data goes on with the nodes it has. */
  async #waitUntilReady(): Promise<'ready' | 'stopped'> {
    let reportedMs = Date.now();
    while (!this.#options.stop.aborted) {
      const waiting = this.#pods.filter((pod) => !pod.state.ready && !pod.state.stoppedOnPurpose);
      if (waiting.length === 0) return 'ready';
      const hopeless = waiting.filter((pod) => (this.#earlyExits.get(pod.pod.name) ?? 0) >= HOPELESS_EXITS);
      if (hopeless.length > 0 && !this.#state.bootstrapped) {
        throw new LocalError(
          `Cannot start: ${hopeless.map((pod) => `node ${pod.pod.name} ended before it was ready, its log is ${pod.pod.logFile}`).join('; ')}`,
        );
      }
      if (hopeless.length === waiting.length) {
        this.#options.print(`going on without ${hopeless.map((pod) => pod.pod.name).join(', ')}; restarts go on in the background`);
        return 'ready';
      }
      const details = waiting.map((pod) => `${pod.pod.name} (${pod.detail || pod.state.phase})`).join(', ');
      if (Date.now() - this.#lastProgressMs > STARTUP_PATIENCE_MS) {
        if (!this.#state.bootstrapped) throw new LocalError(`Cannot start: not ready after ${STARTUP_PATIENCE_MS / 1000} s: ${details}`);
        this.#options.print(`going on, though not ready: ${details}`);
        return 'ready';
      }
      if (Date.now() - reportedMs > 10_000) {
        reportedMs = Date.now();
        this.#options.print(`waiting for ${details}`);
      }
      await this.#pause(50);
    }
    return 'stopped';
  }

  /** Until the stop signal: watches for the moment when every set is healthy for the first time. */
  async #untilStopped(): Promise<void> {
    const { cluster, secrets } = this.#prepared;
    const access = { adminPort: cluster.spec.network.adminPort, token: secrets.adminToken, timeoutMs: 2_000, nowMs: Date.now };
    while (!this.#options.stop.aborted) {
      const { layout, members, bootstrapped } = this.#state;
      if (layout !== undefined && !bootstrapped && isBootstrapped(bootstrapped, await fetchSetHealth({ members, layout }, access))) {
        this.#update({ bootstrapped: true });
        this.#prepared.latchBootstrapped();
      }
      await this.#pause(500);
    }
  }

  async #stopAll(phase: ClusterPhase): Promise<void> {
    this.#update({ phase: 'Stopping' });
    if (phase === 'Stopped') this.#options.print(`stopping ${this.#pods.length} nodes ...`);
    // All go, so there is no other node for clients to turn to first.
    await Promise.all(this.#pods.map((pod) => pod.stop('SIGINT')));
    for (const server of this.#prepared.reservation.servers) {
      server.close();
      server.closeAllConnections();
    }
    this.#update({ phase, supervisor: undefined, control: undefined });
    if (phase === 'Stopped') this.#options.print('stopped; the data stays and the next start finds it');
  }

  async #obey(order: ControlOrder): Promise<ControlReply> {
    const pod = this.#pods.find((candidate) => candidate.pod.name === order.name);
    if (pod === undefined) {
      return {
        status: 404,
        message: `no node ${order.name}: expected one of ${this.#pods.map((candidate) => candidate.pod.name).join(', ')}`,
      };
    }
    if (order.kind === 'start') {
      pod.start();
    } else {
      await pod.stop(order.signal);
    }
    this.#update({});
    return { status: 200, message: `node ${order.name} is ${order.kind === 'start' ? 'starting' : 'stopped'}` };
  }

  #onEvent(pod: SupervisedPod, event: PodEvent): void {
    const { name } = pod.pod;
    const { print } = this.#options;
    switch (event.kind) {
      case 'starting':
        print(`starting node ${name} on ${pod.pod.readinessProbe.address}${event.pid === undefined ? '' : ` (pid ${event.pid})`} ...`);
        break;
      case 'ready':
        this.#everReady.add(name);
        this.#lastProgressMs = Date.now();
        print(`node ${name} is ready (${(event.afterMs / 1000).toFixed(1)} s)`);
        break;
      case 'unready':
        print(`node ${name} is not ready: ${event.detail}`);
        break;
      case 'unhealthy':
        print(`node ${name} is restarted: ${event.detail}`);
        break;
      case 'ended': {
        if (event.restartInMs === undefined) break;
        const how = event.exit.signal === null ? `with exit code ${event.exit.code}` : `by ${event.exit.signal}`;
        print(`node ${name} ended ${how}, restart in ${event.restartInMs / 1000} s`);
        if (!this.#everReady.has(name)) this.#countEarlyExit(pod, event.exit.code);
        break;
      }
    }
    this.#update({});
  }

  /** A node that fails before it was ever ready most likely fails the same way again: its words are shown once. */
  #countEarlyExit(pod: SupervisedPod, code: number | null): void {
    const { name, logFile } = pod.pod;
    const before = this.#earlyExits.get(name) ?? 0;
    this.#earlyExits.set(name, code === REFUSED_CONFIGURATION ? HOPELESS_EXITS : before + 1);
    if (before > 0) return;
    for (const line of logTail(logFile, pod.logOffset)) this.#options.print(`  ${name}: ${line}`);
  }

  #update(patch: Partial<LocalState>): void {
    this.#state = { ...this.#state, ...patch, pods: this.#pods.map((pod) => pod.state) };
    writeState(this.#paths, this.#state);
  }

  /** Sleeps, but no longer than until the stop signal. */
  async #pause(ms: number): Promise<void> {
    await sleep(ms, undefined, { signal: this.#options.stop }).catch(() => undefined);
  }
}

/** The last lines of a log from `offset` on: what the run that just ended printed. */
function logTail(file: string, offset: number): string[] {
  const tailBytes = 8192;
  const { size } = statSync(file);
  const from = Math.max(offset, size - tailBytes);
  const buffer = Buffer.alloc(Math.max(0, size - from));
  const descriptor = openSync(file, 'r');
  const read = readSync(descriptor, buffer, 0, buffer.length, from);
  closeSync(descriptor);
  const lines = buffer.subarray(0, read).toString('utf8').trimEnd().split('\n');
  return lines.slice(-15);
}
