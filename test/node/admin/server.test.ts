/** The admin API through its routes, without a socket. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { Value } from 'typebox/value';
import { ConfigView, HealView, InfoView, SetsView } from '../../../node/admin/schemas.ts';
import { createAdminServer } from '../../../node/admin/server.ts';
import { metricDefinitions } from '../../../node/metrics/definitions.ts';
import { healthyStatus, nodeState, TOKEN } from './node-fixture.ts';

const authorized = { authorization: `Bearer ${TOKEN}` };

test('readyz tells the truth and its reason', async () => {
  const ready = await (await createAdminServer(nodeState())).inject('/readyz');
  assert.deepEqual([ready.statusCode, ready.body], [200, 'ready\n']);
  const state = nodeState({ readiness: () => ({ ready: false, reason: 'joining: waiting: 1 of 4 drives answered' }) });
  const waiting = await (await createAdminServer(state)).inject('/readyz');
  assert.deepEqual([waiting.statusCode, waiting.body], [503, 'joining: waiting: 1 of 4 drives answered\n']);
});

test('wholez fails with the reason of the first own drive that failed', async () => {
  assert.equal((await (await createAdminServer(nodeState())).inject('/wholez')).statusCode, 200);
  const status = healthyStatus();
  const drives = status.drives.map((drive) => ({ ...drive, state: 'Failed' as const, reason: 'drive 0 is foreign' }));
  const failed = await (await createAdminServer(nodeState({ status: async () => ({ ...status, drives }) }))).inject('/wholez');
  assert.deepEqual([failed.statusCode, failed.body], [503, 'drive 0 is foreign\n']);
});

for (const [name, header] of [
  ['no token', undefined],
  ['a wrong token', 'Bearer wrong'],
  ['a token of the right length', `Bearer ${'x'.repeat(TOKEN.length)}`],
  ['another scheme', `Basic ${TOKEN}`],
  ['a prefix of the token', `Bearer ${TOKEN.slice(0, -1)}`],
] as const) {
  test(`/v1 is closed to ${name}`, async () => {
    let drained = false;
    const server = await createAdminServer(nodeState({ drain: () => (drained = true) }));
    const headers = header === undefined ? {} : { authorization: header };
    for (const [method, url] of [
      ['GET', '/v1/info'],
      ['GET', '/v1/sets'],
      ['GET', '/v1/heal'],
      ['GET', '/v1/config'],
      ['GET', '/v1/openapi.json'],
      ['POST', '/v1/drain'],
    ] as const) {
      const reply = await server.inject({ method, url, headers });
      assert.deepEqual([reply.statusCode, reply.headers['www-authenticate']], [401, 'Bearer'], url);
    }
    assert.equal(drained, false);
  });
}

test('views fit their schemas and show the node', async () => {
  const server = await createAdminServer(nodeState());
  const get = async (url: string): Promise<unknown> => (await server.inject({ url, headers: authorized })).json();
  const info = await get('/v1/info');
  assert.ok(Value.Check(InfoView, info), JSON.stringify(info));
  assert.deepEqual([info.version, info.engine.kind, info.cores, info.node.name], ['1.2.3', 'uring', 2, 'p0-0']);
  assert.deepEqual(info.drives[0], {
    index: 0,
    path: '/data/p0-0/d0',
    state: 'Healthy',
    reason: '',
    setId: 0,
    slot: 0,
    capacityBytes: 1000,
    usedBytes: 100,
    durabilityClass: 'flush',
  });
  const config = await get('/v1/config');
  assert.ok(Value.Check(ConfigView, config));
  assert.deepEqual(config, { hash: 'abc', epoch: 1, restartKeys: ['io.cores'], refusal: '' });
  const view = await get('/v1/sets');
  assert.ok(Value.Check(SetsView, view));
  assert.deepEqual(view.peers?.[0], { nodeId: 1, connected: true, encrypted: false });
});

for (const [connected, ownState, expected, voting] of [
  [[1, 2, 3], 'Healthy', 'Healthy', 4],
  [[1, 2, 3], 'Suspect', 'Healthy', 4],
  [[1, 2], 'Healthy', 'Degraded', 3],
  [[1, 2, 3], 'Failed', 'Degraded', 3],
  [[1, 2, 3], 'Rebuilding', 'Degraded', 3],
  [[1], 'Healthy', 'ReadOnly', 2],
  [[], 'Healthy', 'Offline', 1],
  [[], 'Failed', 'Offline', 0],
] as const) {
  test(`a 2+2 set with links to [${connected.join(', ')}] and a ${ownState} drive is ${expected}`, async () => {
    const status = healthyStatus();
    const seen = {
      ...status,
      drives: status.drives.map((drive) => ({
        ...drive,
        state: ownState,
        reason: ['Failed', 'Rebuilding'].includes(ownState) ? 'broken' : '',
      })),
      peers: status.peers.map((peer) =>
        (connected as readonly number[]).includes(peer.node) ? peer : { ...peer, connected: false, reason: 'refused' },
      ),
    };
    const server = await createAdminServer(nodeState({ status: async () => seen }));
    const { sets } = (await server.inject({ url: '/v1/sets', headers: authorized })).json<SetsView>();
    assert.deepEqual(
      sets.map((set) => [set.state, set.voting, set.writeQuorum, set.readQuorum]),
      [[expected, voting, 3, 2]],
    );
    for (const slot of sets[0]?.slots ?? []) assert.equal(slot.state === 'Serving', slot.reason === '');
  });
}

/** The healthy node with its drive being healed: so many objects done and left. */
function healingStatus(done: number, left: number): ReturnType<typeof healthyStatus> {
  const status = healthyStatus();
  const counters = Object.entries({
    heal_objects_total: done,
    heal_objects_left: left,
    heal_shards_least: 3,
    heal_shards_all: 4,
    hints_held: 2,
  });
  const healing = { healState: 'dirty' as const, healReason: '', counters: counters.map(([name, value]) => ({ name, value })) };
  return { ...status, drives: status.drives.map((drive) => ({ ...drive, ...healing })) };
}

test('healing shows what is left, and how long that takes at the pace so far', async () => {
  const idle = await (await createAdminServer(nodeState())).inject({ url: '/v1/heal', headers: authorized });
  assert.deepEqual([idle.json<HealView>().whole, idle.json<HealView>().drives[0]?.secondsLeft], [true, null]);
  let [status, uptimeSeconds] = [healingStatus(100, 900), 10];
  const server = await createAdminServer(nodeState({ status: async () => status, uptimeSeconds: () => uptimeSeconds }));
  const get = async (): Promise<HealView> => (await server.inject({ url: '/v1/heal', headers: authorized })).json<HealView>();
  const first = await get();
  assert.ok(Value.Check(HealView, first), JSON.stringify(first));
  assert.deepEqual([first.whole, first.hintsHeld], [false, 2]);
  const { state, objectsLeft, secondsLeft, leastShards, allShards } = first.drives[0] ?? {};
  assert.deepEqual([state, objectsLeft, secondsLeft, leastShards, allShards], ['Dirty', 900, null, 3, 4]);
  [status, uptimeSeconds] = [healingStatus(300, 700), 14];
  assert.equal((await get()).drives[0]?.secondsLeft, 14);
  const { body } = await server.inject('/metrics');
  for (const line of [
    'openlake_drive_heal_state{drive="0",state="dirty"} 1',
    'openlake_heal_left_objects{drive="0"} 700',
    'openlake_hints_held 2',
  ])
    assert.ok(body.split('\n').includes(line), line);
});

test('drain is passed on', async () => {
  let drained = 0;
  const server = await createAdminServer(nodeState({ drain: () => (drained += 1) }));
  const reply = await server.inject({ method: 'POST', url: '/v1/drain', headers: authorized });
  assert.deepEqual([reply.statusCode, reply.json(), drained], [200, { draining: true }, 1]);
});

test('metrics hold samples of node, engine and control plane, the same on every scrape', async () => {
  const server = await createAdminServer(nodeState());
  await server.inject('/metrics');
  const { body, headers } = await server.inject('/metrics');
  assert.match(String(headers['content-type']), /^text\/plain/);
  for (const line of [
    'openlake_info{version="1.2.3",engine="uring",node="0"} 1',
    'openlake_ready 1',
    'openlake_s3_requests_total{operation="GetObject"} 4',
    'openlake_s3_request_seconds_total{operation="GetObject"} 2',
    'openlake_control_requests_total{operation="ListBuckets",status="200"} 2',
    'openlake_drive_healthy{drive="0",set="0",slot="0"} 1',
    'openlake_drive_bytes{drive="0",kind="capacity"} 1000',
    'openlake_drive_transfer_bytes_total{drive="0",direction="read"} 28672',
    'openlake_peer_connected{peer="3"} 1',
  ]) {
    assert.ok(body.split('\n').includes(line), line);
  }
});

test('metrics answer while the engine does not', async () => {
  const server = await createAdminServer(
    nodeState({ status: () => Promise.reject(new Error('starting')), readiness: () => ({ ready: false, reason: 'starting' }) }),
  );
  const { statusCode, body } = await server.inject('/metrics');
  assert.deepEqual([statusCode, body.includes('openlake_ready 0')], [200, true]);
});

test('every metric has a conventional name', () => {
  for (const { name, kind } of Object.values(metricDefinitions)) {
    assert.match(name, /^openlake_[a-z0-9_]+$/);
    const isHistogramPart = /_seconds_(bucket|count|sum)$/.test(name);
    assert.equal(name.endsWith('_total') || isHistogramPart, kind === 'counter', name);
  }
});

test('the OpenAPI document names every route', async () => {
  const server = await createAdminServer(nodeState());
  const document = (await server.inject({ url: '/v1/openapi.json', headers: authorized })).json<{ readonly paths: object }>();
  assert.deepEqual(Object.keys(document.paths).toSorted(), [
    '/metrics',
    '/readyz',
    '/v1/config',
    '/v1/drain',
    '/v1/heal',
    '/v1/info',
    '/v1/sets',
    '/wholez',
  ]);
});

test('docs/reference/admin-api.md lists exactly the routes', async () => {
  const server = await createAdminServer(nodeState());
  const document = (await server.inject({ url: '/v1/openapi.json', headers: authorized })).json<{
    readonly paths: Record<string, object>;
  }>();
  const routes = Object.entries(document.paths).flatMap(([route, methods]) =>
    Object.keys(methods).map((method) => `${method.toUpperCase()} ${route}`),
  );
  const page = readFileSync(new URL('../../../docs/reference/admin-api.md', import.meta.url), 'utf8');
  const listed = [...page.matchAll(/^\| `([A-Z]+ \S+)` \|/gm)].map((match) => match[1] ?? '');
  assert.deepEqual(listed.toSorted(), routes.toSorted());
});

test('an unknown route is 404 and names itself without its query', async () => {
  const server = await createAdminServer(nodeState());
  const reply = await server.inject('/nothing?secret=1');
  assert.deepEqual([reply.statusCode, reply.json()], [404, { error: 'There is no GET /nothing' }]);
});

test('metrics name every part of the memory, beside the budget', async () => {
  const { body } = await (await createAdminServer(nodeState())).inject('/metrics');
  const lines = body.split('\n');
  for (const line of [
    'openlake_memory_bytes{part="buffers"} 4096',
    'openlake_memory_bytes{part="kept"} 8192',
    'openlake_memory_bytes{part="index"} 560',
    'openlake_memory_bytes{part="cache"} 7000',
    'openlake_memory_bytes{part="drives"} 8',
    `openlake_memory_limit_bytes ${nodeState().config().io.memory_bytes}`,
  ])
    assert.ok(lines.includes(line), line);
});
