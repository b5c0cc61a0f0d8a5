/** A local cluster through the `openlake` command: real processes, real ports, a node program without storage. */
import assert from 'node:assert/strict';
import { existsSync, mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { directory, finish, openlake, start, statusOf, until } from './openlake.ts';

/** Only one cluster is started at a time here, but others may run on the machine. */
const options = { concurrency: false };

function nodeOf<T extends { readonly name: string }>(nodes: readonly T[], name: string): T {
  const found = nodes.find((node) => node.name === name);
  assert.ok(found !== undefined, `no node ${name}`);
  return found;
}

function mode(file: string): string {
  return (statSync(file).mode & 0o777).toString(8);
}

test('up --detach returns when every node is ready; status tells all about it; down stops it', options, async (context) => {
  const { data, file } = directory(context);
  const up = await openlake('up', '--file', file, '--data', data, '--detach');
  assert.equal(up.code, 0, up.errors);
  assert.match(up.output, /starting node p0-0 on 127\.0\.0\.\d+ \(pid \d+\) \.\.\./);
  assert.match(up.output, /node p0-3 is ready/);
  assert.match(up.output, /Cluster sample is ready/);
  assert.match(up.output, /aws s3 ls/);

  const report = await until(data, (found) => found.bootstrapped);
  assert.equal(report.phase, 'Ready');
  assert.equal(report.nodes.length, 4);
  for (const node of report.nodes) {
    assert.ok(node.ready && node.pid !== null && node.restarts === 0);
    assert.match(node.endpoints.s3, /^http:\/\/127\.0\.0\.\d+:9000$/);
    assert.deepEqual(node.drives[0]?.path, path.join(data, node.name, 'drives/d0'));
  }
  assert.deepEqual(
    report.sets.map(({ id, state, voting, writeQuorum, readQuorum }) => ({ id, state, voting, writeQuorum, readQuorum })),
    [{ id: 0, state: 'Healthy', voting: 4, writeQuorum: 3, readQuorum: 2 }],
  );
  assert.equal((await openlake('status', '--data', data)).code, 0);

  const secrets = ['env', 'secrets.json', 'state.json', 'p0-0/config/p0-0.toml'].map((name) => path.join(data, name));
  assert.deepEqual(secrets.map(mode), ['600', '600', '600', '600']);
  const env = readFileSync(path.join(data, 'env'), 'utf8');
  assert.match(
    env,
    /^export AWS_ACCESS_KEY_ID=\S+\nexport AWS_SECRET_ACCESS_KEY=\S+\nexport AWS_ENDPOINT_URL=http:\/\/127\.0\.0\.\d+:9000\nexport AWS_REGION=us-east-1\n/,
  );
  assert.ok(up.output.includes(/AWS_SECRET_ACCESS_KEY=(\S+)/.exec(env)?.[1] ?? 'missing'));

  const again = await openlake('up', '--data', data);
  assert.equal(again.code, 1);
  assert.match(again.errors, /is already running \(supervisor pid \d+\)/);
  assert.equal((await openlake('up', '--data', data, '--detach')).code, 1);

  const down = await openlake('down', '--data', data);
  assert.equal(down.code, 0, down.errors);
  const after = await statusOf(data);
  assert.deepEqual([after.running, after.phase, after.supervisor], [false, 'Stopped', null]);
  assert.ok(after.nodes.every((node) => node.pid === null));
  assert.equal((await openlake('status', '--data', data)).code, 1);
  assert.match(readFileSync(path.join(data, 'p0-0/log'), 'utf8'), /drained/);
});

test('the next start keeps ids, credentials and layout, and never says bootstrap again', options, async (context) => {
  const { data, file } = directory(context);
  assert.equal((await openlake('up', '--file', file, '--data', data, '--detach')).code, 0);
  const toml = path.join(data, 'p0-0/config/p0-0.toml');
  const first = await until(data, (report) => report.bootstrapped && /bootstrap = false/.test(readFileSync(toml, 'utf8')));
  const keys = /^.*KEY.*$/gm;
  const env = readFileSync(path.join(data, 'env'), 'utf8').match(keys);
  await openlake('down', '--data', data);

  const up = await openlake('up', '--data', data, '--detach');
  assert.equal(up.code, 0, up.errors);
  const second = await statusOf(data);
  assert.deepEqual([second.clusterId, second.layout, second.bootstrapped], [first.clusterId, first.layout, true]);
  assert.deepEqual(readFileSync(path.join(data, 'env'), 'utf8').match(keys), env);
  assert.match(readFileSync(toml, 'utf8'), /bootstrap = false/);
});

test('a node that is killed is restarted; one that is stopped stays down until it is started', options, async (context) => {
  const { data, file } = directory(context);
  assert.equal((await openlake('up', '--file', file, '--data', data, '--detach')).code, 0);
  const before = nodeOf((await statusOf(data)).nodes, 'p0-1');
  assert.ok(before.pid !== null);
  process.kill(before.pid, 'SIGKILL');
  const back = await until(data, ({ nodes }) => nodeOf(nodes, 'p0-1').ready && nodeOf(nodes, 'p0-1').restarts === 1);
  assert.notEqual(nodeOf(back.nodes, 'p0-1').pid, before.pid);
  assert.deepEqual(nodeOf(back.nodes, 'p0-1').lastExit?.signal, 'SIGKILL');

  assert.equal((await openlake('local', 'stop-node', 'p0-2', '--signal', 'KILL', '--data', data)).code, 0);
  assert.equal((await openlake('local', 'stop-node', 'p0-3', '--data', data)).code, 0);
  const stopped = await until(data, ({ sets }) => sets[0]?.state === 'ReadOnly');
  for (const [name, signal] of [
    ['p0-2', 'SIGKILL'],
    ['p0-3', null],
  ] as const) {
    const node = nodeOf(stopped.nodes, name);
    assert.deepEqual([node.pid, node.stoppedOnPurpose, node.lastExit?.signal], [null, true, signal]);
    assert.equal(node.drives[0]?.state, 'Unreachable');
  }
  assert.match(stopped.sets[0]?.reason ?? '', /slot 2 \(node 2, drive 0\) is Unreachable/);

  const unknown = await openlake('local', 'stop-node', 'p9-9', '--data', data);
  assert.equal(unknown.code, 1);
  assert.match(unknown.errors, /no node p9-9: expected one of p0-0, p0-1, p0-2, p0-3/);

  for (const name of ['p0-2', 'p0-3']) assert.equal((await openlake('local', 'start-node', name, '--data', data)).code, 0);
  await until(data, ({ nodes, sets }) => nodes.every((node) => node.ready) && sets[0]?.state === 'Healthy');
});

test('a node that cannot start ends `up` with the tail of its log, and nothing stays behind', options, async (context) => {
  const { data, file } = directory(context);
  const drive = path.join(data, 'p0-2/drives/d0');
  mkdirSync(drive, { recursive: true });
  writeFileSync(path.join(drive, 'fail'), '');
  const up = await openlake('up', '--file', file, '--data', data);
  assert.equal(up.code, 1);
  assert.match(up.output, /node p0-2 ended with exit code 3, restart in 1 s\n {2}p0-2: told to fail by /);
  assert.match(up.errors, /Cannot start: node p0-2 ended before it was ready, its log is .*p0-2\/log/);
  const report = await statusOf(data);
  assert.deepEqual([report.running, report.phase], [false, 'Failed']);
});

test('a cluster that holds data starts without a node that cannot', options, async (context) => {
  const { data, file } = directory(context);
  assert.equal((await openlake('up', '--file', file, '--data', data, '--detach')).code, 0);
  await until(data, (report) => report.bootstrapped);
  await openlake('down', '--data', data);
  rmSync(path.join(data, 'p0-1/drives/d0'), { recursive: true });
  const up = await openlake('up', '--data', data, '--detach');
  assert.equal(up.code, 0, up.errors);
  assert.match(up.output, /going on without p0-1/);
  assert.equal(existsSync(path.join(data, 'p0-1/drives/d0')), false, 'a lost drive is not replaced by an empty folder');
  const report = await statusOf(data);
  assert.deepEqual([report.phase, report.sets[0]?.state], ['Ready', 'Degraded']);
});

test('Ctrl-C stops everything and exits with 0', options, async (context) => {
  const { data, file } = directory(context);
  const child = start(['up', '--file', file, '--data', data]);
  const ended = finish(child);
  await new Promise<void>((resolve) =>
    child.stdout?.on('data', (chunk: Buffer) => (chunk.includes('Ctrl-C stops it') ? resolve() : undefined)),
  );
  const { nodes } = await statusOf(data);
  child.kill('SIGINT');
  const { code, output } = await ended;
  assert.equal(code, 0);
  assert.match(output, /stopping 4 nodes \.\.\.\nstopped; the data stays/);
  for (const { pid } of nodes) assert.throws(() => process.kill(pid ?? 0, 0), /ESRCH/);
});

test('nodes that outlived a killed supervisor are found and stopped by the next start', options, async (context) => {
  const { data, file } = directory(context);
  assert.equal((await openlake('up', '--file', file, '--data', data, '--detach')).code, 0);
  const before = await statusOf(data);
  process.kill(before.supervisor?.pid ?? 0, 'SIGKILL');
  const orphaned = await until(data, (report) => report.supervisor === null);
  assert.ok(orphaned.running);
  const up = await openlake('up', '--data', data, '--detach');
  assert.equal(up.code, 0, up.errors);
  assert.match(up.output, /an earlier supervisor was killed and left 4 nodes running; stopping them first: p0-0 \(pid \d+\)/);
  const after = await statusOf(data);
  assert.ok(after.nodes.every((node) => node.ready && !before.nodes.some((old) => old.pid === node.pid)));

  process.kill(after.supervisor?.pid ?? 0, 'SIGKILL');
  await until(data, (report) => report.supervisor === null);
  assert.match((await openlake('down', '--data', data)).output, /stopping 4 nodes whose supervisor is gone/);
  assert.equal((await statusOf(data)).running, false);
});

test(
  'a resource that breaks a rule, or changes what cannot change, is refused with field, value and expectation',
  options,
  async (context) => {
    const { data, file } = directory(context);
    const broken = directory(context, ({ pool }) => Object.assign(pool, { erasure: { setSize: 3, parity: 1 } }));
    const refused = await openlake('up', '--file', broken.file, '--data', broken.data);
    assert.equal(refused.code, 1);
    assert.match(
      refused.errors,
      /cluster\.yaml: 1 problem\n {2}spec\.pools\[0\]\.erasure\.setSize = "3 \(with 4 drives\)": expected a setSize that divides/,
    );

    assert.equal((await openlake('up', '--file', file, '--data', data, '--detach')).code, 0);
    await openlake('down', '--data', data);
    const other = directory(context, ({ pool }) => Object.assign(pool, { erasure: { setSize: 4, parity: 1 } }));
    const changed = await openlake('up', '--file', other.file, '--data', data);
    assert.equal(changed.code, 1);
    assert.match(changed.errors, /spec\.pools\[0\]\.erasure = \{"setSize":4,"parity":1\}: expected no change: erasure is immutable/);
  },
);
