/**
 * The running data plane: start, serve, drain, stop.
 *
 * JavaScript and the data cores meet in one function: the data plane calls `wake` when something has gathered, and one
 * `take` brings all of it: requests, ends of calls, notices. A heartbeat tells the data plane that this thread is awake.
 */
import type { PeerTls } from '../config/peer-tls.ts';
import { type EngineConfig, type EngineStatus, type LayoutConfig, loadAddon, type NativeEngine, type Notice } from './addon.ts';
import { Calls } from './calls.ts';
import { every } from './clock.ts';
import { nativePrimitives, type Primitives } from './primitives.ts';
import { type ControlReply, type ControlRequest, dispatchRequests, type RequestHandler } from './requests.ts';
import { packTables, type Tables } from './tables.ts';

/** The data plane calls the control plane silent after two missed beats. */
const HEARTBEAT_MS = 1000;

export type EngineOptions = {
  readonly config: EngineConfig;
  readonly tables: Tables;
  /** Answers control requests; called once the S3 port is open. */
  readonly handler: (primitives: Primitives) => RequestHandler;
  readonly onNotice: (notice: Notice) => void;
  readonly onFault: (request: ControlRequest, error: unknown) => void;
};

/** Starts the data plane; resolves once all cores serve, with the S3 port still closed to clients. */
export async function startEngine(options: EngineOptions): Promise<Engine> {
  const calls = new Calls();
  const parts: { native?: NativeEngine; engine?: Engine } = {};
  const start = calls.run((id) => {
    // The first wake comes after this function has returned: it is an event of its own.
    parts.native = loadAddon().startEngine(id, options.config, packTables(options.tables), () => parts.engine?.take());
  });
  if (parts.native !== undefined) parts.engine = new Engine(parts.native, calls, options);
  try {
    await start;
  } catch (error) {
    parts.engine?.release('The engine did not start');
    throw error;
  }
  if (parts.engine === undefined) throw new Error('The data plane started without a handle');
  return parts.engine;
}

export class Engine implements AsyncDisposable {
  readonly primitives: Primitives;
  #native: NativeEngine | undefined;
  readonly #calls: Calls;
  readonly #handler: RequestHandler;
  readonly #options: EngineOptions;
  readonly #heartbeat: Disposable;

  /** Use startEngine. */
  constructor(native: NativeEngine, calls: Calls, options: EngineOptions) {
    this.#native = native;
    this.#calls = calls;
    this.#options = options;
    this.primitives = nativePrimitives(native, calls);
    this.#handler = options.handler(this.primitives);
    this.#heartbeat = every(HEARTBEAT_MS, () => this.#native?.heartbeat());
  }

  /** Registers the drives with the cluster and loads the bucket table; resolves once enough peers have answered. */
  async join(): Promise<void> {
    await this.#calls.run((id) => this.#alive().join(id));
  }

  /** How far `join` has come, and what it waits for. */
  joinStatus(): string {
    return this.#native?.joinStatus() ?? 'stopped';
  }

  /** From now on the S3 port serves clients. */
  open(): void {
    this.#alive().open();
  }

  /** Puts new tables in force; requests under way keep the old ones. */
  setTables(tables: Tables): void {
    this.#alive().setTables(packTables(tables));
  }

  /** Puts new peer secrets, certificates and addresses in force. */
  reload(peerSecrets: readonly string[], peerTls: PeerTls | undefined, layout: LayoutConfig): void {
    this.#alive().reload(peerSecrets, peerTls, layout);
  }

  /** Stops accepting; resolves when every connection is done. */
  async drain(): Promise<void> {
    await this.#calls.run((id) => this.#alive().drain(id));
  }

  /** State and counters of all cores. */
  async status(): Promise<EngineStatus> {
    const end = await this.#calls.run((id) => this.#alive().status(id));
    if (end.status === undefined || end.status === null) throw new Error('The data plane ended a call without its status');
    return end.status;
  }

  /** Closes links and drives and ends all cores. The engine cannot be used afterwards. */
  async stop(): Promise<void> {
    if (this.#native === undefined) return;
    await this.#calls.run((id) => this.#alive().stop(id));
    this.release('The engine has stopped');
  }

  #alive(): NativeEngine {
    if (this.#native === undefined) throw new Error('The engine has stopped');
    return this.#native;
  }

  /** As stop. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }

  /** Lets go of the handle; calls under way are rejected with the reason. */
  release(reason: string): void {
    this.#heartbeat[Symbol.dispose]();
    this.#native?.release();
    this.#native = undefined;
    this.#calls.abandon(reason);
  }

  /** Takes and hands out everything that has gathered in the data plane. */
  take(): void {
    if (this.#native === undefined) return;
    const batch = this.#native.take();
    this.#calls.settle(batch.completions);
    for (const notice of batch.notices) this.#options.onNotice(notice);
    dispatchRequests(batch.requests, {
      handler: this.#handler,
      reply: (id, reply) => this.#reply(id, reply),
      onFault: this.#options.onFault,
    });
  }

  #reply(id: number, reply: ControlReply): void {
    this.#native?.reply(id, reply.status, Object.entries(reply.headers).flat(), Buffer.from(reply.body));
  }
}
