/** The secret between nodes changes on running nodes, one after the other, and no client notices. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { startCluster, type TestCluster } from './cluster.ts';
import { assertRight, startLoad } from './steady-load.ts';

function configFile(cluster: TestCluster, node: string): string {
  return join(cluster.dataFolder, node, 'config', `${node}.toml`);
}

function secretsOf(toml: string): readonly string[] {
  const list = /^peer_secrets = \[(.*)\]$/m.exec(toml)?.[1] ?? '';
  return [...list.matchAll(/"([0-9a-f]+)"/g)].map(([, secret]) => secret as string);
}

/** Puts other secrets into the file of a running node, as an update of a mounted Secret does, and waits until the node says that it took them. */
async function setSecrets(cluster: TestCluster, node: string, secrets: readonly string[]): Promise<void> {
  const file = configFile(cluster, node);
  const taken = (): number => cluster.log(node).split('live=secrets.peer_secrets').length;
  const before = taken();
  const list = secrets.map((secret) => `"${secret}"`).join(', ');
  writeFileSync(`${file}.new`, readFileSync(file, 'utf8').replace(/^peer_secrets = .*$/m, `peer_secrets = [${list}]`), { mode: 0o600 });
  renameSync(`${file}.new`, file);
  for (let look = 0; taken() === before; look += 1) {
    assert.ok(look < 600, `${node} did not take its new configuration:\n${cluster.log(node).slice(-2000)}`);
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

test('secrets between nodes rotate under load, node by node, without a failed request', async () => {
  await using cluster = await startCluster();
  const nodes = (await cluster.waitHealthy()).nodes;
  const [old] = secretsOf(readFileSync(configFile(cluster, nodes[0]?.name as string), 'utf8'));
  assert.ok(old !== undefined, 'the cluster has a peer secret');
  const fresh = randomBytes(32).toString('hex');
  const words = ['mixed', '--size', '200KiB', '--concurrency', '8', '--objects', '40', '--count', '200', '--verify', '--retries', '0'];
  const load = startLoad(
    cluster,
    nodes.map((node) => node.endpoints.s3),
    words,
  );
  try {
    for (const secrets of [[fresh, old], [fresh]]) {
      for (const node of nodes) {
        await setSecrets(cluster, node.name, secrets);
        await load.oneRun();
      }
    }
  } finally {
    assertRight(await load.end(), 40);
  }
  // No link was ever down, and none is by the old secret any more: each node knows the new one alone.
  for (const node of nodes) {
    assert.doesNotMatch(cluster.log(node.name), /(?<!cannot )link to node \d+: /, node.name);
    assert.deepEqual(secretsOf(readFileSync(configFile(cluster, node.name), 'utf8')), [fresh]);
  }
  await cluster.waitHealthy();
});
