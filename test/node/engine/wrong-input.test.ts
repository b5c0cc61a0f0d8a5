/** What a node says to wrong usage, wrong files, wrong changes of files and a wrong secret. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import type { ConfigView, SetsView } from '../../../node/admin/schemas.ts';
import { renderNodeConfig } from '../../../node/config/render.ts';
import { clusterConfigs, NodeProcess, temporaryFolder, until } from './node-process.ts';

const MAIN = fileURLToPath(new URL('../../../node/main.ts', import.meta.url));

function runMain(...args: readonly string[]): { readonly status: number | null; readonly text: string } {
  const { status, stdout, stderr } = spawnSync(process.execPath, [MAIN, ...args], { encoding: 'utf8' });
  return { status, text: stdout + stderr };
}

test('wrong usage ends with 2 and shows the right one, --help with 0', () => {
  for (const args of [[], ['--config'], ['--konfig', 'x'], ['file']]) {
    const { status, text } = runMain(...args);
    assert.deepEqual([status, text.includes('Usage: node node/main.ts --config FILE')], [2, true], args.join(' '));
  }
  assert.equal(runMain('--help').status, 0);
});

test('a wrong configuration ends with 2 and names every problem', async () => {
  using folder = temporaryFolder();
  const [config] = await clusterConfigs(folder.path, { nodes: 1, drivesPerNode: 4 });
  assert.ok(config !== undefined);
  const file = path.join(folder.path, 'node.toml');
  writeFileSync(file, renderNodeConfig(config).replace('memory_bytes = 268435456', 'memory_byte = 268435456\ncolour = "red"'));
  const { status, text } = runMain('--config', file);
  assert.equal(status, 2);
  assert.match(text, /io\.memory_byte = 268435456: expected no key "memory_byte" here, but memory_bytes/);
  assert.match(text, /io\.colour/);
  const missing = runMain('--config', '/nowhere/node.toml');
  assert.deepEqual([missing.status, missing.text.includes('/nowhere/node.toml')], [2, true]);
});

test('a changed file that cannot be used is refused with its reason, and the node goes on', async () => {
  using folder = temporaryFolder();
  const [config] = await clusterConfigs(folder.path, { nodes: 1, drivesPerNode: 4 });
  assert.ok(config !== undefined);
  await using node = new NodeProcess(folder.path, config);
  await node.ready();
  const view = async (): Promise<ConfigView> => (await node.admin('/v1/config')) as ConfigView;
  const { hash } = await view();
  node.writeConfig({ ...config, cluster: { ...config.cluster, id: 'f'.repeat(32) } });
  await until(async () => (await view()).refusal.includes('cluster.id'), 'the refusal of another cluster id');
  writeFileSync(node.file, '[cluster');
  await until(async () => (await view()).refusal.includes('TOML'), 'the refusal of broken TOML');
  assert.equal((await view()).hash, hash);
  node.writeConfig({ ...config, io: { ...config.io, cores: 2 } });
  await until(async () => (await view()).restartKeys.includes('io.cores'), 'a key that waits for a restart');
  assert.deepEqual([(await view()).refusal, await node.end('SIGTERM')], ['', 0]);
});

test('a node with another peer secret is refused by all others, and every side says why', async () => {
  using folder = temporaryFolder();
  const configs = await clusterConfigs(folder.path, { nodes: 4, drivesPerNode: 1 });
  await using stack = new AsyncDisposableStack();
  const [stranger, ...members] = configs.map((config, id) => {
    const secrets = id === 0 ? { ...config.secrets, peer_secrets: ['ee'.repeat(32)] } : config.secrets;
    return stack.use(new NodeProcess(folder.path, { ...config, secrets }));
  });
  await Promise.all(members.map((node) => node.ready()));
  const reply = await fetch(`http://${stranger?.config.listen.admin}/readyz`);
  const text = await reply.text();
  assert.deepEqual([reply.status, text.startsWith('joining: ')], [503, true], text);
  await until(async () => /secret|authenticat|proof/i.test(await reasonOf(members[0], 0)), 'a reason at a member');
  await until(async () => /secret|authenticat|proof/i.test(await reasonOf(stranger, 1)), 'a reason at the stranger');
});

/** Why `node` thinks that the slot of another one is away; empty while it is not. */
async function reasonOf(node: NodeProcess | undefined, other: number): Promise<string> {
  const view = (await node?.admin('/v1/sets')) as SetsView | undefined;
  return view?.sets[0]?.slots.find((slot) => slot.nodeId === other)?.reason ?? '';
}
