/** Load that checks every byte while nodes die and return: nothing wrong, nothing lost. */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { openlake, startCluster } from './cluster.ts';
import { assertRight, startLoad } from './steady-load.ts';

const root = join(import.meta.dirname, '..', '..');

for (const { name, size, objects, count } of [
  { name: 'small', size: '3000', objects: 120, count: 1500 },
  { name: 'large', size: '700KiB', objects: 60, count: 150 },
]) {
  test(`mixed ${name} objects are right while one node after the other is killed and returns`, async () => {
    await using cluster = await startCluster();
    const nodes = (await cluster.waitHealthy()).nodes;
    const amount = ['--size', size, '--concurrency', '12', '--objects', String(objects), '--count', String(count)];
    const load = startLoad(
      cluster,
      nodes.map((node) => node.endpoints.s3),
      ['mixed', ...amount, '--verify', '--retries', '30'],
    );
    try {
      for (const node of nodes.slice(0, 3)) {
        await cluster.stopNode(node.name);
        await load.oneRun();
        await cluster.startNode(node.name);
        await cluster.waitHealthy();
      }
    } finally {
      assertRight(await load.end(), objects);
    }
  });
}

test('the poll engine carries the whole path too', async () => {
  await using cluster = await startCluster(join(root, 'test/cluster/poll.yaml'));
  const nodes = (await cluster.waitHealthy()).nodes;
  assert.deepEqual(
    nodes.map((node) => node.engine),
    nodes.map(() => 'poll'),
  );
  const only = ['--only', 'empty', 'one', 'small', 'block', 'multipart'];
  const written = await cluster.python('boto3_objects.py', 'write', 'poll', 'a/', ...only);
  assert.equal(written.code, 0, written.stderr);
  await cluster.stopNode(nodes[1]?.name as string);
  await cluster.stopNode(nodes[2]?.name as string);
  const read = await cluster.python('boto3_objects.py', 'read', 'poll', 'a/', ...only);
  assert.equal(read.code, 0, read.stderr);
  await cluster.startNode(nodes[1]?.name as string);
  await cluster.startNode(nodes[2]?.name as string);
  await cluster.waitHealthy();
  const finished = await openlake(['bench', 'mixed', '--duration', '3s', '--verify'], cluster.env);
  assert.equal(finished.code, 0, finished.stdout + finished.stderr);
});
