/**
 * One pod as a child process: started, probed, restarted when it ends, stopped when asked.
 *
 *     Starting --startup probe--> Running --ends--> BackOff --delay--> Starting
 *         any --stop--> Stopping --ends--> Stopped --start--> Starting
 *
 * The child gets a process group of its own, so that Ctrl-C in a terminal reaches the supervisor alone, and a log file, so
 * that it outlives a supervisor that is killed.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, openSync, statSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { countFailure, restartDelayMs } from './back-off.ts';
import type { LocalPod } from './pod.ts';
import { type HttpProbe, runProbe } from './probe.ts';
import { identifyProcess, type ProcessIdentity } from './process-identity.ts';
import type { LastExit, PodPhase, PodState } from './state.ts';

export type PodEvent =
  | { readonly kind: 'starting'; readonly pid: number | undefined }
  | { readonly kind: 'ready'; readonly afterMs: number }
  | { readonly kind: 'unready'; readonly detail: string }
  | { readonly kind: 'unhealthy'; readonly detail: string }
  | { readonly kind: 'ended'; readonly exit: LastExit; readonly restartInMs: number | undefined };

/** While a pod starts, it is asked this often, whatever the probe's period: a user is waiting. */
const STARTUP_PERIOD_MS = 200;

/** Variables of the supervisor that a process needs to run at all, or to start quickly; everything else comes from the pod's own spec. */
const PASSED_ON = ['PATH', 'HOME', 'LANG', 'TZ', 'LD_LIBRARY_PATH', 'TMPDIR', 'NODE_COMPILE_CACHE'] as const;

export class SupervisedPod {
  readonly pod: LocalPod;
  readonly #onEvent: (event: PodEvent) => void;
  #child: ChildProcess | undefined;
  #identity: ProcessIdentity | undefined;
  #phase: PodPhase = 'Stopped';
  #ready = false;
  #stopping = false;
  #restarts = 0;
  #failures = 0;
  #lastExit: LastExit | undefined;
  #restart: NodeJS.Timeout | undefined;
  #ended: Promise<void> = Promise.resolve();
  /** Where the current run's lines begin in the log. */
  #logOffset = 0;
  #detail = '';

  constructor(pod: LocalPod, onEvent: (event: PodEvent) => void) {
    this.pod = pod;
    this.#onEvent = onEvent;
  }

  get state(): PodState {
    return {
      name: this.pod.name,
      phase: this.#phase,
      ready: this.#ready,
      restarts: this.#restarts,
      stoppedOnPurpose: this.#stopping,
      process: this.#identity,
      lastExit: this.#lastExit,
    };
  }

  get logOffset(): number {
    return this.#logOffset;
  }

  /** What the last startup probe saw, for whoever waits. */
  get detail(): string {
    return this.#detail;
  }

  /** Starts the process, unless it runs. */
  start(): void {
    this.#stopping = false;
    if (this.#child !== undefined) return;
    clearTimeout(this.#restart);
    this.#launch();
  }

  /** Ends the process with `signal`, with SIGKILL after the grace period; resolves when it is gone. It stays stopped. */
  async stop(signal: NodeJS.Signals = 'SIGTERM'): Promise<void> {
    this.#stopping = true;
    clearTimeout(this.#restart);
    const child = this.#child;
    if (child === undefined) {
      this.#phase = 'Stopped';
      return;
    }
    this.#phase = 'Stopping';
    this.#ready = false;
    await this.#end(child, signal);
  }

  async #end(child: ChildProcess, signal: NodeJS.Signals): Promise<void> {
    child.kill(signal);
    const kill = setTimeout(() => child.kill('SIGKILL'), this.pod.graceMs);
    await this.#ended;
    clearTimeout(kill);
  }

  #launch(): void {
    const log = openSync(this.pod.logFile, 'a', 0o600);
    this.#logOffset = statSync(this.pod.logFile).size;
    const child = spawn(this.pod.command, this.pod.args, {
      detached: true,
      stdio: ['ignore', log, log],
      env: { ...passedOn(), ...this.pod.env },
    });
    closeSync(log);
    const startedMs = Date.now();
    this.#child = child;
    this.#identity = child.pid === undefined ? undefined : identifyProcess(child.pid);
    this.#phase = 'Starting';
    this.#ended = new Promise((resolve) => {
      const ended = (code: number | null, signal: string | null): void => {
        if (this.#child !== child) return;
        this.#afterEnd({ code, signal, at: new Date().toISOString() }, Date.now() - startedMs);
        resolve();
      };
      child.once('exit', ended);
      // The command does not exist or may not be run: no exit event follows.
      child.once('error', () => ended(127, null));
    });
    this.#onEvent({ kind: 'starting', pid: child.pid });
    void this.#watch(child, startedMs);
  }

  #afterEnd(exit: LastExit, ranMs: number): void {
    this.#child = undefined;
    this.#identity = undefined;
    this.#ready = false;
    this.#lastExit = exit;
    if (this.#stopping) {
      this.#phase = 'Stopped';
      this.#onEvent({ kind: 'ended', exit, restartInMs: undefined });
      return;
    }
    this.#failures = countFailure(this.#failures, ranMs);
    const delayMs = restartDelayMs(this.#failures);
    this.#phase = 'BackOff';
    this.#restart = setTimeout(() => {
      this.#restarts += 1;
      this.#launch();
    }, delayMs);
    this.#onEvent({ kind: 'ended', exit, restartInMs: delayMs });
  }

  /** Runs the startup probe, then liveness and readiness side by side, as long as this child lives. */
  async #watch(child: ChildProcess, startedMs: number): Promise<void> {
    const alive = (): boolean => this.#child === child;
    const { startupProbe, livenessProbe, readinessProbe } = this.pod;
    const deadlineMs = startupProbe.periodMs * startupProbe.failureThreshold;
    for (;;) {
      const result = await runProbe(startupProbe);
      if (!alive()) return;
      this.#detail = result.detail;
      if (result.ok) break;
      if (Date.now() - startedMs > deadlineMs) return this.#kill(child, `did not start within ${deadlineMs / 1000} s: ${result.detail}`);
      await sleep(STARTUP_PERIOD_MS);
      if (!alive()) return;
    }
    if (this.#phase === 'Starting') this.#phase = 'Running';
    await Promise.all([
      this.#repeat(livenessProbe, { alive, onFailed: (detail) => this.#kill(child, `liveness: ${detail}`) }),
      this.#repeat(readinessProbe, {
        alive,
        onPassed: () => {
          if (this.#ready || this.#phase !== 'Running') return;
          this.#ready = true;
          this.#onEvent({ kind: 'ready', afterMs: Date.now() - startedMs });
        },
        onFailed: (detail) => {
          if (!this.#ready) return;
          this.#ready = false;
          this.#onEvent({ kind: 'unready', detail });
        },
      }),
    ]);
  }

  /** Asks again and again; `onFailed` after failureThreshold failures in a row. */
  async #repeat(
    probe: HttpProbe,
    on: { readonly alive: () => boolean; readonly onPassed?: () => void; readonly onFailed: (detail: string) => void },
  ): Promise<void> {
    let failures = 0;
    while (on.alive()) {
      const result = await runProbe(probe);
      if (!on.alive()) return;
      failures = result.ok ? 0 : failures + 1;
      if (result.ok) on.onPassed?.();
      else if (failures === probe.failureThreshold) on.onFailed(result.detail);
      await sleep(probe.periodMs, undefined, { ref: false });
    }
  }

  #kill(child: ChildProcess, detail: string): void {
    if (this.#stopping) return;
    this.#onEvent({ kind: 'unhealthy', detail });
    void this.#end(child, 'SIGTERM');
  }
}

function passedOn(): Record<string, string> {
  return Object.fromEntries(PASSED_ON.flatMap((name) => (process.env[name] === undefined ? [] : [[name, process.env[name]]])));
}
