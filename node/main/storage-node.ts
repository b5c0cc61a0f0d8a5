/**
 * A storage node's life: start, join, serve, take changed configurations, end.
 *
 *     starting -> joining -> serving -> draining -> stopped
 *
 * main.ts drives it. The admin port answers from the beginning, so that whoever waits can read what for.
 */
import type { FastifyInstance } from 'fastify';
import type { NodeState } from '../admin/node-state.ts';
import { createAdminServer } from '../admin/server.ts';
import { describeProblem, splitEndpoint } from '../config/check.ts';
import { configHash } from '../config/hash.ts';
import { parseNodeConfig } from '../config/load.ts';
import { type PeerTls, type PeerTlsResult, readPeerTls } from '../config/peer-tls.ts';
import { compareConfigs } from '../config/reload.ts';
import type { NodeConfig } from '../config/schema.ts';
import { every, monotonicMs, wallMs, within } from '../engine/clock.ts';
import { type Engine, startEngine } from '../engine/engine.ts';
import { engineConfig, layoutConfig } from '../engine/engine-config.ts';
import { ControlCounters } from '../metrics/control-counters.ts';
import type { Sample } from '../metrics/definitions.ts';
import { s3Router } from '../s3/router.ts';
import { driveWatch } from './drive-watch.ts';
import type { Log } from './log.ts';
import { nodeTables } from './node-tables.ts';
import { checkPortIsFree } from './ports.ts';

/** Time for the drives to write what they hold once no request comes in any more. */
const STOP_TIMEOUT_MS = 10_000;
/** A drive that fell ill is in the log after this time. */
const DRIVES_EVERY_MS = 2_000;

const waitingFor = {
  starting: 'starting: opening drives',
  joining: 'joining',
  serving: '',
  draining: 'draining: finishing requests before the process ends',
  stopped: 'stopped',
} as const;

export type NodeOptions = {
  readonly config: NodeConfig;
  readonly version: string;
  readonly log: Log;
  /** Called once when the node cannot go on, with the reason. */
  readonly onFatal: (reason: string) => void;
  /** Called when the admin API asks for the end. */
  readonly onDrain: () => void;
};

export class StorageNode {
  readonly #options: NodeOptions;
  readonly #startMs = monotonicMs();
  readonly #counters = new ControlCounters();
  /** The configuration in force: what the process started with, and what was changed live since. */
  #config: NodeConfig;
  /** What stood in the files of `[peer_tls]` when they were last taken. */
  #peerTls: PeerTls | undefined;
  #peerCertificateEndMs: number | undefined;
  #configState = { hash: '', restartKeys: [] as readonly string[], refusal: '' };
  #phase: keyof typeof waitingFor = 'starting';
  #tablesVersion = 1;
  #engine: Engine | undefined;
  #admin: FastifyInstance | undefined;
  #stopping: Promise<void> | undefined;
  #watch: Disposable | undefined;
  /** Ends the time in which an unready node still takes connections. */
  readonly #hurry = Promise.withResolvers<void>();

  constructor(options: NodeOptions) {
    this.#options = options;
    this.#config = options.config;
    this.#configState.hash = configHash(options.config);
  }

  /** From nothing to serving. Rejects with the reason when that is impossible; waits for peers as long as it takes. */
  async start(): Promise<void> {
    const { log } = this.#options;
    const config = this.#config;
    const peerTls = readPeerTls(config);
    if (peerTls.kind === 'invalid') throw new Error(peerTls.problems.map(describeProblem).join('; '));
    this.#takePeerTls(peerTls);
    this.#admin = await createAdminServer(this.#state());
    const admin = splitEndpoint(config.listen.admin);
    await this.#admin.listen({ host: admin?.address ?? '', port: admin?.port ?? 0 }).catch((error: unknown) => {
      throw new Error(`Cannot serve the admin API on ${config.listen.admin}: ${messageOf(error)}`);
    });
    await checkPortIsFree('S3', config.listen.s3);
    await checkPortIsFree('peers', config.listen.peer);
    this.#engine = await startEngine({
      config: engineConfig(config, this.#peerTls),
      tables: nodeTables(config, this.#tablesVersion),
      handler: (primitives) => {
        const owner = { id: config.cluster.id, displayName: config.cluster.name };
        return s3Router({ primitives, owner, region: config.cluster.region }, (outcome, request) => {
          this.#counters.count(outcome);
          if (outcome.fault !== undefined)
            log.error(messageOf(outcome.fault), { operation: outcome.operation, request: request.requestId });
        });
      },
      onNotice: (notice) => {
        if (!notice.fatal) return log.info(notice.message);
        log.error(notice.message);
        this.#options.onFatal(notice.message);
      },
      onFault: (request, error) => log.error(messageOf(error), { request: request.requestId }),
    });
    if (this.#isEnding()) return;
    await this.#reportDrives();
    this.#phase = 'joining';
    log.info('joining the cluster', { cluster: config.cluster.name, bootstrap: config.cluster.bootstrap });
    await this.#engine.join();
    if (this.#isEnding()) return;
    this.#engine.open();
    this.#phase = 'serving';
    log.info('ready', { s3: config.listen.s3, admin: config.listen.admin });
  }

  /** Puts in force what a new content of the configuration file allows to change live. */
  reload(text: string): void {
    const { log } = this.#options;
    const result = parseNodeConfig(text);
    if (result.kind === 'invalid') {
      this.#refuse(result.problems.map(describeProblem).join('; '));
      return;
    }
    const next = result.config;
    const decision = compareConfigs(this.#config, next);
    if (decision.refused.length > 0) {
      this.#refuse(`these keys can never change: ${decision.refused.join(', ')}`);
      return;
    }
    const peerTls = readPeerTls(next);
    if (peerTls.kind === 'invalid') {
      this.#refuse(peerTls.problems.map(describeProblem).join('; '));
      return;
    }
    const before = JSON.stringify(this.#peerTls);
    this.#config = withLiveKeys(this.#config, next);
    this.#takePeerTls(peerTls);
    // Files may have new content under their old names.
    const live = before === JSON.stringify(this.#peerTls) ? decision.live : [...new Set([...decision.live, 'peer_tls'])];
    this.#configState = { hash: configHash(next), restartKeys: decision.restart, refusal: '' };
    log.setLevel(next.log.level);
    if (this.#engine !== undefined && live.length > 0) {
      this.#tablesVersion += 1;
      this.#engine.setTables(nodeTables(this.#config, this.#tablesVersion));
      this.#engine.reload(this.#config.secrets.peer_secrets, this.#peerTls, layoutConfig(this.#config));
    }
    log.info('configuration changed', { live: live.join(' '), restart: decision.restart.join(' ') });
  }

  /**
   * Goes unready, lets clients that follow readiness leave (not in a hurry), lets requests finish, closes the drives. Bounded in time;
   * nothing acknowledged is lost if time runs out.
   */
  stop(options: { readonly hurry: boolean }): Promise<void> {
    if (options.hurry) this.#hurry.resolve();
    this.#stopping ??= this.#end();
    return this.#stopping;
  }

  async #end(): Promise<void> {
    const { log } = this.#options;
    const wasServing = this.#phase === 'serving';
    this.#phase = 'draining';
    this.#watch?.[Symbol.dispose]();
    const engine = this.#engine;
    if (engine !== undefined) {
      log.info('draining');
      if (wasServing) await within(this.#config.limits.drain_delay_ms, this.#hurry.promise);
      const drained = wasServing
        ? await within(
            this.#config.limits.drain_timeout_ms,
            engine.drain().catch(() => undefined),
          )
        : undefined;
      if (drained === 'timeout') log.warn('requests were still running when the time to drain was up');
      const stopped = await within(
        STOP_TIMEOUT_MS,
        engine.stop().catch((error: unknown) => log.error(messageOf(error))),
      );
      if (stopped === 'timeout') log.warn('the drives did not close in time');
    }
    this.#phase = 'stopped';
    await this.#admin?.close();
    log.info('stopped');
  }

  #isEnding(): boolean {
    return this.#stopping !== undefined;
  }

  #reason(): string {
    return this.#phase === 'joining' ? `joining: ${this.#engine?.joinStatus() ?? ''}` : waitingFor[this.#phase];
  }

  #refuse(reason: string): void {
    this.#configState = { ...this.#configState, refusal: reason };
    this.#options.log.error('the changed configuration is not used', { reason });
  }

  /** An expired certificate is used all the same: the others refuse it, and the renewed one is taken when it comes. */
  #takePeerTls(read: PeerTlsResult & { readonly kind: 'ok' }): void {
    this.#peerTls = read.tls;
    this.#peerCertificateEndMs = read.notAfterMs;
    if (read.notAfterMs === undefined || read.notAfterMs > wallMs()) return;
    const until = new Date(read.notAfterMs).toISOString();
    this.#options.log.warn('the certificate of this node has expired: other nodes refuse it until it is renewed', { until });
  }

  async #reportDrives(): Promise<void> {
    const status = await this.#engine?.status();
    if (status === undefined) return;
    const { log } = this.#options;
    log.info('data plane runs', { engine: status.engineKind, reason: status.engineReason, cores: status.cores, boot: status.boot });
    const watch = driveWatch(log);
    watch(status.drives);
    const look = async (): Promise<void> => watch((await this.#engine?.status())?.drives ?? []);
    // An engine that is ending answers nothing any more.
    this.#watch = every(DRIVES_EVERY_MS, () => void look().catch(() => undefined), { background: true });
  }

  #state(): NodeState {
    return {
      version: this.#options.version,
      config: () => this.#config,
      configState: () => this.#configState,
      readiness: () => ({ ready: this.#phase === 'serving', reason: this.#reason() }),
      isBootstrapped: () => this.#phase === 'serving' || this.#phase === 'draining',
      uptimeSeconds: () => (monotonicMs() - this.#startMs) / 1000,
      status: async () => {
        if (this.#engine === undefined) throw new Error(waitingFor[this.#phase]);
        return await this.#engine.status();
      },
      samples: () => [...this.#counters.samples(), ...certificateSamples(this.#peerCertificateEndMs)],
      drain: () => this.#options.onDrain(),
    };
  }
}

/** `current` with what may change live taken from `next`. */
function withLiveKeys(current: NodeConfig, next: NodeConfig): NodeConfig {
  const { peer_tls: _replaced, ...kept } = current;
  return {
    ...kept,
    ...(next.peer_tls === undefined ? {} : { peer_tls: next.peer_tls }),
    cluster: { ...current.cluster, bootstrap: next.cluster.bootstrap },
    secrets: next.secrets,
    credentials: next.credentials,
    nodes: next.nodes,
    limits: next.limits,
    log: next.log,
  };
}

function certificateSamples(endMs: number | undefined): Sample[] {
  return endMs === undefined ? [] : [{ metric: 'peerCertificateEnd', labels: {}, value: endMs / 1000 }];
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
