/** The node's configuration: what is accepted, and how every mistake is named. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import fc from 'fast-check';
import { describeProblem } from '../../../node/config/check.ts';
import { readConfigText, SHARED_FILE } from '../../../node/config/file.ts';
import { configHash } from '../../../node/config/hash.ts';
import { ConfigError, loadNodeConfig, parseNodeConfig } from '../../../node/config/load.ts';
import { compareConfigs } from '../../../node/config/reload.ts';
import { renderNodeConfig, renderOwnPart, renderSharedPart } from '../../../node/config/render.ts';
import type { NodeConfig } from '../../../node/config/schema.ts';
import { watchConfigFile } from '../../../node/config/watch.ts';
import { anyConfig, sampleConfig } from './sample-config.ts';

function problemsOf(text: string): string[] {
  const result = parseNodeConfig(text);
  return result.kind === 'ok' ? [] : result.problems.map(describeProblem);
}

function edited(change: (text: string) => string): string {
  const text = renderNodeConfig(sampleConfig());
  const after = change(text);
  assert.notEqual(after, text, 'the edit changed nothing');
  return after;
}

test('a rendered configuration parses back to itself', () => {
  fc.assert(
    fc.property(anyConfig, (config) => {
      const result = parseNodeConfig(renderNodeConfig(config));
      assert.deepEqual(result, { kind: 'ok', config });
    }),
  );
});

test('a rendered configuration is the same text whatever the order of keys', () => {
  const config = sampleConfig();
  const shuffled = Object.fromEntries(Object.entries(config).toReversed()) as NodeConfig;
  assert.equal(renderNodeConfig(shuffled), renderNodeConfig(config));
  assert.equal(configHash(shuffled), configHash(config));
  assert.notEqual(configHash(sampleConfig(1)), configHash(config));
});

test('absent keys get their defaults', () => {
  const text = renderNodeConfig(sampleConfig())
    .replace(/\[listen\][^[]*/, '')
    .replace(/\[limits\][^[]*/, '')
    .replace(/\[io\][^[]*/, '')
    .replace(/\[log\][^[]*/, '');
  assert.ok(!text.includes('[limits]'));
  assert.deepEqual(parseNodeConfig(text), { kind: 'ok', config: sampleConfig() });
});

test('an unknown key names the nearest known one', () => {
  assert.deepEqual(problemsOf(edited((text) => text.replace('head_timeout_ms', 'head_timout_ms'))), [
    'limits.head_timout_ms = 10000: expected no key "head_timout_ms" here, but head_timeout_ms (the nearest known key)',
  ]);
});

test('all problems are reported at once, each with field, value and expectation', () => {
  const problems = problemsOf(
    edited((text) =>
      text
        .replace('engine = "auto"', 'engine = "fast"')
        .replace('max_connections = 4096', 'max_connections = 3')
        .replace('name = "sample"', 'name = "Sample!"')
        .replace('s3 = "10.0.0.1:9000"', 's3 = "localhost"'),
    ),
  );
  assert.deepEqual(problems, [
    'cluster.name = "Sample!": expected a lower-case DNS name',
    'listen.s3 = "localhost": expected address:port, as 10.0.0.1:9000 or [fd00::1]:9000',
    'io.engine = "fast": expected one of "auto", "uring", "poll"',
    'limits.max_connections = 3: expected an integer from 16 to 1000000',
  ]);
});

test('a missing key is named', () => {
  assert.deepEqual(problemsOf(edited((text) => text.replace(/admin_token = .*\n/, ''))), [
    'secrets.admin_token is missing: expected 16 to 128 printable characters without spaces',
  ]);
});

test('secrets are never shown', () => {
  const problems = problemsOf(edited((text) => text.replace(/peer_secrets = .*/, 'peer_secrets = ["very secret"]')));
  assert.deepEqual(problems, ['secrets.peer_secrets[0] = (hidden, 11 characters): expected 32 to 128 lower-case hex digits']);
});

test('text that is not TOML names the line and hides the value', () => {
  const [problem] = problemsOf('[secrets]\nadmin_token = "abc\n');
  assert.match(problem ?? '', /^line 2, column \d+ = "admin_token = \.\.\.": expected TOML \(/);
});

test('overlapping drives are refused', () => {
  const twice = sampleConfig();
  const drives = [
    { path: '/data/d0', mount_check: 'directory' as const },
    { path: '/data//d0/', mount_check: 'directory' as const },
    { path: '/data/d0/inner', mount_check: 'directory' as const },
    { path: '/data/d00', mount_check: 'directory' as const },
  ];
  assert.deepEqual(problemsOf(renderNodeConfig({ ...twice, drives })), [
    'drives[1].path = "/data//d0/": expected a place of its own, neither equal to nor inside drives[0] (/data/d0)',
    'drives[2].path = "/data/d0/inner": expected a place of its own, neither equal to nor inside drives[0] (/data/d0)',
  ]);
});

test('a drive is a directory or a device', () => {
  const config = sampleConfig();
  const both = problemsOf(renderNodeConfig({ ...config, drives: [{ path: '/a', device: '/dev/b', mount_check: 'strict' }] }));
  assert.deepEqual(both, ['drives[0] = "path and device /dev/b": expected exactly one of path and device']);
  const neither = problemsOf(renderNodeConfig({ ...config, drives: [{ mount_check: 'strict' }] }));
  assert.deepEqual(neither, ['drives[0] is missing: expected exactly one of path and device']);
});

test('references between tables are checked', () => {
  const config = sampleConfig();
  assert.match(
    problemsOf(renderNodeConfig({ ...config, node: { ...config.node, id: 9 } })).join('\n'),
    /^node\.id = 9: expected an id listed/,
  );
  const set = config.sets[0];
  assert.ok(set !== undefined);
  const slots = [
    { node: 0, drive: 0 },
    { node: 0, drive: 0 },
    { node: 7, drive: 0 },
  ];
  const problems = problemsOf(renderNodeConfig({ ...config, sets: [{ ...set, slots }] }));
  assert.deepEqual(problems.slice(0, 3), [
    'sets[0].slots = 3 entries: expected data + parity = 4 entries',
    'sets[0].slots[2].node = 7: expected an id listed in [[nodes]]',
    'sets[0].slots[1] = "node 0 drive 0": expected a drive that sets[0].slots[0] does not use',
  ]);
  assert.match(problems[3] ?? '', /^layout\.hash = /);
});

test('a file that cannot be read is named', () => {
  assert.throws(
    () => loadNodeConfig('/nonexistent/node.toml'),
    (error) => error instanceof ConfigError && /nonexistent/.test(error.message),
  );
});

test('reload tells live keys from those that wait for a restart and those that are refused', () => {
  const config = sampleConfig();
  const next: NodeConfig = {
    ...config,
    cluster: { ...config.cluster, id: 'f'.repeat(32) },
    credentials: [{ access_key: 'OTHER', secret_key: 'other-secret' }],
    nodes: config.nodes.map((node) => ({ ...node, address: `10.0.1.${node.id}` })),
    io: { ...config.io, cores: 4 },
    log: { level: 'debug' },
  };
  assert.deepEqual(compareConfigs(config, next), {
    live: ['credentials', 'log.level', 'nodes'],
    restart: ['io.cores'],
    refused: ['cluster.id'],
  });
  fc.assert(
    fc.property(anyConfig, (any) => {
      assert.deepEqual(compareConfigs(any, structuredClone(any)), { live: [], restart: [], refused: [] });
    }),
  );
});

test('a file that includes another is read with it, and both are watched', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'openlake-config-'));
  try {
    const config = sampleConfig();
    const file = join(folder, 'a.toml');
    const shared = join(folder, SHARED_FILE);
    writeFileSync(file, renderOwnPart(config));
    assert.throws(() => loadNodeConfig(file), /_cluster.toml/);
    writeFileSync(shared, renderSharedPart(config));
    assert.deepEqual(loadNodeConfig(file), config);
    assert.equal(readConfigText(file), renderNodeConfig(config));
    const changed = Promise.withResolvers<string>();
    const watching = watchConfigFile(file, { known: readConfigText(file), onChange: changed.resolve });
    const next = { ...config, log: { level: 'debug' as const } };
    writeFileSync(shared, renderSharedPart(next));
    assert.equal(await changed.promise, renderNodeConfig(next));
    watching[Symbol.dispose]();
    // After the first table the word is a key like any other, and the schema refuses it.
    assert.match(problemsOf(`${renderNodeConfig(config)}include = "x.toml"\n`).join('\n'), /include/);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});
