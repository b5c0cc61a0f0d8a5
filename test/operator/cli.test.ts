/** The `openlake` command: help everywhere, exit codes 0, 1 and 2, messages that say what was expected. */
import assert from 'node:assert/strict';
import path from 'node:path';
import { test } from 'node:test';
import { parse, parseAllDocuments } from 'yaml';
import { openlake } from './local/openlake.ts';

const minimal = path.resolve(import.meta.dirname, '../../crds/examples/minimal.yaml');

for (const args of [['--help'], ['up', '--help'], ['down', '--help'], ['status', '--help'], ['plan', '--help'], ['local', '--help']]) {
  test(`openlake ${args.join(' ')} prints usage and exits with 0`, async () => {
    const { code, output, errors } = await openlake(...args);
    assert.deepEqual([code, errors], [0, '']);
    assert.match(output, /^Usage: openlake/);
  });
}

const wrong: readonly (readonly [readonly string[], RegExp])[] = [
  [[], /no command\n/],
  [['upp'], /no command upp: expected one of up, down/],
  [['up', '--fiel', 'x'], /'--fiel'/],
  [['status', 'extra'], /1 arguments \(extra\): expected 0/],
  [['local', 'pause-node', 'p0-0'], /no command local pause-node: expected stop-node or start-node/],
  [['local', 'stop-node', 'p0-0', '--signal', 'NOPE'], /--signal NOPE: expected TERM, KILL/],
];

for (const [args, message] of wrong) {
  test(`wrong usage exits with 2: openlake ${args.join(' ')}`, async () => {
    const { code, output, errors } = await openlake(...args);
    assert.deepEqual([code, output], [2, '']);
    assert.match(errors, message);
  });
}

const failing: readonly (readonly [readonly string[], RegExp])[] = [
  [['status', '--data', '/nonexistent'], /There is no cluster in \/nonexistent/],
  [['down', '--data', '/nonexistent'], /There is no cluster in \/nonexistent/],
  [['plan', '--file', '/nonexistent.yaml'], /Cannot read \/nonexistent\.yaml: ENOENT/],
  [['plan', '--file', path.join(import.meta.dirname, '../../package.json')], /package\.json: \d+ problems\n/],
  [['local', 'start-node', 'p0-0', '--data', '/nonexistent'], /No cluster runs in \/nonexistent/],
];

for (const [args, message] of failing) {
  test(`a failure exits with 1: openlake ${args.slice(0, 2).join(' ')}`, async () => {
    const { code, output, errors } = await openlake(...args);
    assert.deepEqual([code, output], [1, '']);
    assert.match(errors, message);
  });
}

test('openlake plan prints members, layout and objects, and no secrets', async () => {
  const { code, output } = await openlake('plan', '--file', minimal, '--data', '/nonexistent');
  assert.equal(code, 0);
  const [summary, ...objects] = parseAllDocuments(output).map((document) => document.toJS() as { kind?: string; members?: unknown[] });
  assert.equal(summary?.members?.length, 4);
  assert.deepEqual(
    objects.map((object) => object.kind),
    ['Secret', 'ServiceAccount', 'Service', 'Service', 'DaemonSet', 'Deployment', 'PodDisruptionBudget'],
  );
  const json = await openlake('plan', '--file', minimal, '--json');
  assert.equal((parse(json.output) as { objects: unknown[] }).objects.length, 7);
});
