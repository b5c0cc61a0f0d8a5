/** Runs the `openlake` command in tests, with a program in the node's place that stores nothing but listens and fails. */
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import type { TestContext } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { stringify } from 'yaml';
import type { StatusReport } from '../../../operator/local/status.ts';
import { sampleDocument } from '../sample-cluster.ts';

const root = path.resolve(import.meta.dirname, '../../..');

export type Outcome = { readonly code: number; readonly output: string; readonly errors: string };

/** Starts the command; the process is left to the caller. */
export function start(args: readonly string[]): ChildProcess {
  return spawn(process.execPath, [path.join(root, 'operator/cli/main.ts'), ...args], {
    env: { ...process.env, OPENLAKE_APPLICATION_ROOT: path.join(root, 'test/operator/fixture-application') },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
}

/** Runs the command to its end. */
export function openlake(...args: string[]): Promise<Outcome> {
  return finish(start(args));
}

export function finish(child: ChildProcess): Promise<Outcome> {
  let output = '';
  let errors = '';
  child.stdout?.on('data', (chunk: Buffer) => (output += chunk.toString()));
  child.stderr?.on('data', (chunk: Buffer) => (errors += chunk.toString()));
  return new Promise((resolve) =>
    child.once('close', (code, signal) => resolve({ code: code ?? (signal === null ? 1 : 128), output, errors })),
  );
}

/** A data directory with a resource file; what runs in it is stopped and the directory removed after the test. */
export function directory(
  context: TestContext,
  change?: Parameters<typeof sampleDocument>[0],
): { readonly data: string; readonly file: string } {
  const folder = mkdtempSync(path.join(os.tmpdir(), 'openlake-local-'));
  const data = path.join(folder, 'data');
  const file = path.join(folder, 'cluster.yaml');
  writeFileSync(file, stringify(sampleDocument(change)));
  context.after(async () => {
    await openlake('down', '--data', data);
    rmSync(folder, { recursive: true, force: true });
  });
  return { data, file };
}

export async function statusOf(data: string): Promise<StatusReport> {
  const { output, errors } = await openlake('status', '--json', '--data', data);
  if (output === '') throw new Error(errors);
  return JSON.parse(output) as StatusReport;
}

/** Asks until `condition` holds; fails with the last answer when it does not within the time that a slow machine needs. */
export async function until(data: string, condition: (report: StatusReport) => boolean): Promise<StatusReport> {
  for (let attempt = 0; ; attempt += 1) {
    const report = await statusOf(data);
    if (condition(report)) return report;
    if (attempt > 150) throw new Error(`the condition never held: ${JSON.stringify(report, null, 2)}`);
    await sleep(200);
  }
}
