/** One pod under supervision: probes decide, ends are answered by restarts, stops by grace and then force. */
import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import net from 'node:net';
import os from 'node:os';
import path from 'node:path';
import { type TestContext, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import type { LocalPod } from '../../../operator/local/pod.ts';
import type { HttpProbe } from '../../../operator/local/probe.ts';
import { type PodEvent, SupervisedPod } from '../../../operator/local/supervised-pod.ts';

/** A program that serves /live and /ready until told otherwise by POST /break-live and so on. */
const program = `
const broken = new Set();
require('node:http').createServer((request, response) => {
  const what = request.url.slice(1);
  if (request.method === 'POST') broken.add(what);
  response.writeHead(broken.has(what) ? 503 : 200).end();
}).listen(Number(process.env.PORT), '127.0.0.1');
process.on('SIGTERM', () => { if (process.env.STUBBORN === undefined) process.exit(0); });
console.log('run');
`;

async function freePort(): Promise<number> {
  const server = net.createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as net.AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}

type Supervised = { readonly pod: SupervisedPod; readonly events: PodEvent[]; readonly port: number; readonly logFile: string };

async function supervise(context: TestContext, change: Partial<LocalPod> = {}): Promise<Supervised> {
  const folder = mkdtempSync(path.join(os.tmpdir(), 'openlake-pod-'));
  const port = await freePort();
  const probe = (name: string): HttpProbe => ({
    address: '127.0.0.1',
    port,
    path: `/${name}`,
    periodMs: 50,
    timeoutMs: 1000,
    failureThreshold: 2,
  });
  const logFile = path.join(folder, 'log');
  const events: PodEvent[] = [];
  const { env, ...rest } = change;
  const pod = new SupervisedPod(
    {
      name: 'pod',
      command: process.execPath,
      args: ['-e', program],
      env: { PORT: String(port), ...env },
      logFile,
      graceMs: 300,
      startupProbe: { ...probe('ready'), failureThreshold: 200 },
      livenessProbe: probe('live'),
      readinessProbe: probe('ready'),
      mounts: [],
      ...rest,
    },
    (event) => events.push(event),
  );
  context.after(async () => {
    await pod.stop('SIGKILL');
    rmSync(folder, { recursive: true });
  });
  return { pod, events, port, logFile };
}

async function until(condition: () => boolean): Promise<void> {
  for (let attempt = 0; !condition(); attempt += 1) {
    assert.ok(attempt < 1200, 'the condition never held');
    await sleep(25);
  }
}

function tell(port: number, what: string): Promise<Response> {
  return fetch(`http://127.0.0.1:${port}/${what}`, { method: 'POST' });
}

test('a pod becomes ready by its probes and stops within its grace', async (context) => {
  const { pod, events } = await supervise(context);
  assert.equal(pod.state.phase, 'Stopped');
  pod.start();
  assert.equal(pod.state.phase, 'Starting');
  await until(() => pod.state.ready);
  assert.equal(pod.state.phase, 'Running');
  pod.start();
  await pod.stop();
  assert.deepEqual(
    [pod.state.phase, pod.state.process, pod.state.stoppedOnPurpose, pod.state.lastExit?.code],
    ['Stopped', undefined, true, 0],
  );
  assert.deepEqual(
    events.map((event) => event.kind),
    ['starting', 'ready', 'ended'],
  );
});

test('a pod that is not ready any more is left running', async (context) => {
  const { pod, events, port } = await supervise(context);
  pod.start();
  await until(() => pod.state.ready);
  await tell(port, 'ready');
  await until(() => !pod.state.ready);
  assert.equal(pod.state.phase, 'Running');
  assert.equal(events.at(-1)?.kind, 'unready');
});

test('a pod whose liveness fails is ended and started again', async (context) => {
  const { pod, events, port } = await supervise(context);
  pod.start();
  await until(() => pod.state.ready);
  const before = pod.state.process?.pid;
  await tell(port, 'live');
  await until(() => pod.state.restarts === 1 && pod.state.ready);
  assert.notEqual(pod.state.process?.pid, before);
  assert.deepEqual(
    events.map((event) => event.kind),
    ['starting', 'ready', 'unhealthy', 'ended', 'starting', 'ready'],
  );
});

test('a pod that ignores SIGTERM is killed when its grace is over', async (context) => {
  const { pod } = await supervise(context, { env: { STUBBORN: '1' } });
  pod.start();
  await until(() => pod.state.ready);
  await pod.stop();
  assert.equal(pod.state.lastExit?.signal, 'SIGKILL');
});

test('a pod that was stopped while it waited for its restart stays stopped', async (context) => {
  const { pod } = await supervise(context, { args: ['-e', 'console.error("cannot"); process.exit(7)'] });
  pod.start();
  await until(() => pod.state.phase === 'BackOff');
  assert.equal(pod.state.lastExit?.code, 7);
  await pod.stop();
  await sleep(1200);
  assert.deepEqual([pod.state.phase, pod.state.restarts], ['Stopped', 0]);
});

test('a command that does not exist counts as an end', async (context) => {
  const { pod } = await supervise(context, { command: '/nonexistent/program' });
  pod.start();
  await until(() => pod.state.phase === 'BackOff');
  assert.equal(pod.state.lastExit?.code, 127);
});

test('the log keeps the lines of every run and says where the last one begins', async (context) => {
  const { pod, logFile } = await supervise(context);
  pod.start();
  await until(() => pod.state.ready);
  await pod.stop();
  pod.start();
  await until(() => pod.state.ready);
  assert.equal(readFileSync(logFile, 'utf8'), 'run\nrun\n');
  assert.equal(pod.logOffset, 4);
});
