/**
 * Stands for a storage node in tests of the local runner: real HTTP on the real ports, no storage.
 *
 * Files in its first drive tell it to misbehave: `fail` ends it at once, `stubborn` ignores signals, `slow` is never ready.
 */
import { existsSync, readFileSync } from 'node:fs';
import http from 'node:http';
import path from 'node:path';
import type { InfoView, SetsView, SetView } from '../../../../node/admin/schemas.ts';
import { loadNodeConfig } from '../../../../node/config/load.ts';
import type { SetConfig } from '../../../../node/config/schema.ts';
import { quorums } from '../../../../node/layout/quorum.ts';

const file = process.argv[process.argv.indexOf('--config') + 1] ?? '';
const config = loadNodeConfig(file);
const drive = config.drives[0]?.path ?? '';

function told(what: string): boolean {
  return existsSync(path.join(drive, what));
}

if (!existsSync(drive)) throw new Error(`drive ${drive} does not exist`);
if (told('fail')) {
  console.error(`told to fail by ${drive}`);
  process.exit(3);
}

function listen(endpoint: string, answer: (url: string) => Promise<object> | object | undefined): void {
  const [host = '', port = ''] = endpoint.split(':');
  const server = http.createServer((request, response) => {
    void Promise.resolve(answer(request.url ?? '')).then((body) => {
      const allowed = !request.url?.startsWith('/v1/') || request.headers.authorization === `Bearer ${config.secrets.admin_token}`;
      response.writeHead(!allowed ? 401 : body === undefined ? 503 : 200, { 'content-type': 'application/json' });
      response.end(JSON.stringify(body ?? {}));
    });
  });
  server.listen(Number(port), host);
}

function isAlive(address: string, port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const request = http.get({ host: address, port, path: '/-/live', agent: false, timeout: 500 }, (response) => {
      response.resume();
      resolve(response.statusCode === 200);
    });
    request.on('timeout', () => request.destroy());
    request.on('error', () => resolve(false));
  });
}

async function sets(): Promise<SetsView> {
  const alive = new Map(await Promise.all(config.nodes.map(async (node) => [node.id, await isAlive(node.address, node.s3_port)] as const)));
  return { sets: config.sets.map((set) => setView(set, alive)) };
}

function setView(set: SetConfig, alive: ReadonlyMap<number, boolean>): SetView {
  const slots = set.slots.map((slot, index) => ({ slot: index, nodeId: slot.node, drive: slot.drive, ...slotState(alive.get(slot.node)) }));
  const { size, write, read } = quorums(set);
  const voting = slots.filter((slot) => slot.state === 'Serving').length;
  const state = voting === size ? 'Healthy' : voting >= write ? 'Degraded' : 'ReadOnly';
  return { id: set.id, data: set.data, parity: set.parity, writeQuorum: write, readQuorum: read, voting, state, slots };
}

function slotState(isUp: boolean | undefined): Pick<SetView['slots'][number], 'state' | 'reason'> {
  return isUp === true ? { state: 'Serving', reason: '' } : { state: 'Unreachable', reason: 'no answer' };
}

function info(): InfoView {
  const { id, name } = config.cluster;
  return {
    node: { id: config.node.id, name: config.node.name },
    version: 'fixture',
    engine: { kind: 'none', reason: 'a fixture' },
    cores: 1,
    uptimeSeconds: process.uptime(),
    ready: true,
    drives: config.drives.map((entry, index) => ({
      index,
      path: entry.path ?? '',
      state: 'Healthy',
      reason: '',
      setId: 0,
      slot: config.node.id,
      capacityBytes: 0,
      usedBytes: 0,
      durabilityClass: 'none',
    })),
    cluster: { id, name, bootstrapped: !/bootstrap = true/.test(readFileSync(file, 'utf8')) },
  };
}

listen(config.listen.s3, (url) => (url === '/-/live' ? { live: true } : undefined));
listen(config.listen.peer, () => undefined);
listen(config.listen.admin, (url) => {
  if (url === '/readyz') return told('slow') ? undefined : { ready: true };
  if (url === '/v1/info') return info();
  return url === '/v1/sets' ? sets() : undefined;
});
for (const signal of ['SIGTERM', 'SIGINT']) {
  process.on(signal, () => {
    if (told('stubborn')) return;
    console.log('drained');
    process.exit(0);
  });
}
console.log(`node ${config.node.name} listens on ${config.node.address}`);
