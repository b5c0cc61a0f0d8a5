/** Bad input to a whole cluster: each is refused with a message that names field, value and expectation, and nothing changes. */
import assert from 'node:assert/strict';
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { type Finished, openlake, runProgram, startCluster, type TestCluster } from './cluster.ts';
import { copyDrive } from './drive-damage.ts';

const root = join(import.meta.dirname, '..', '..');
let cluster: TestCluster;
let folder: string;

before(async () => {
  folder = mkdtempSync(join(tmpdir(), 'openlake-bad-'));
  cluster = await startCluster();
  await cluster.waitHealthy();
});
after(async () => {
  await cluster?.[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true, force: true });
});

/** Sends raw bytes to the S3 port and returns all that comes back until the server closes or is silent. */
async function raw(bytes: string): Promise<string> {
  const { hostname, port } = new URL(cluster.env['AWS_ENDPOINT_URL'] as string);
  return new Promise((resolve, reject) => {
    let received = '';
    const socket = connect({ host: hostname, port: Number(port) }, () => socket.write(bytes));
    socket.setTimeout(1500, () => socket.destroy());
    socket.on('data', (chunk) => (received += chunk.toString('latin1')));
    socket.on('close', () => resolve(received));
    socket.on('error', reject);
  });
}

/** Runs a node with a TOML text until it ends. */
async function runNode(toml: string): Promise<Finished> {
  const file = join(folder, 'node.toml');
  writeFileSync(file, toml);
  return runProgram('timeout', { args: ['20', process.execPath, join(root, 'node/main.ts'), '--config', file] });
}

/** The TOML of a stopped node of the cluster. */
function tomlOf(name: string): string {
  return readFileSync(join(cluster.dataFolder, name, 'config', `${name}.toml`), 'utf8');
}

test('malformed heads are answered with 400 and the connection ends', async () => {
  const heads = {
    'no version': 'GET /\r\n\r\n',
    'bare CR': 'GET / HTTP/1.1\r\nhost: a\rb: c\r\n\r\n',
    'two lengths': 'PUT /a/b HTTP/1.1\r\nhost: a\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\n',
    'length and chunked': 'PUT /a/b HTTP/1.1\r\nhost: a\r\ncontent-length: 1\r\ntransfer-encoding: chunked\r\n\r\n',
    'folded header': 'GET / HTTP/1.1\r\nhost: a\r\n  more: b\r\n\r\n',
  };
  for (const [name, head] of Object.entries(heads)) {
    const reply = await raw(head);
    assert.match(reply, /^HTTP\/1\.1 400 /, `${name}: ${reply.slice(0, 200)}`);
  }
});

test('requests without, with unknown or with wrong signatures are refused', async () => {
  assert.match(await raw('GET /bucket HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n'), /403 [\s\S]*<Code>AccessDenied<\/Code>/);
  const unknown = 'AWS4-HMAC-SHA256 Credential=NOBODY/20260101/us-east-1/s3/aws4_request, SignedHeaders=host, Signature=00';
  assert.match(
    await raw(`GET /bucket HTTP/1.1\r\nhost: a\r\nconnection: close\r\nauthorization: ${unknown}\r\n\r\n`),
    /HTTP\/1\.1 40[03] /,
  );
  const wrong = await runProgram('env', { args: ['true'] });
  assert.equal(wrong.code, 0);
  const aws = await runProgram(join((await import('../provision/python-clients.mjs')).pythonFolder, 'bin/aws'), {
    args: ['s3api', 'list-buckets'],
    env: { ...cluster.env, AWS_SECRET_ACCESS_KEY: 'wrong' },
  });
  assert.match(aws.stderr, /SignatureDoesNotMatch/);
});

test('the reserved bucket is refused by name', async () => {
  const refused = await cluster.aws('s3api', 'list-objects-v2', '--bucket', '.openlake');
  assert.notEqual(refused.code, 0);
});

test('a TOML with several mistakes names all of them and the nearest known key', async () => {
  const node = (await cluster.status()).nodes[0]?.name as string;
  const broken = tomlOf(node)
    .replace('[cluster]', '[cluster]\nregoin = "x"')
    .replace(/^path = .*$/m, 'path = ""');
  const ended = await runNode(broken);
  assert.equal(ended.code, 2, ended.stderr);
  assert.match(ended.stderr, /regoin[\s\S]*region/);
  assert.match(ended.stderr, /path/);
});

test('a node with an unreadable drive, a taken drive or a wrong peer secret says so', async () => {
  const name = (await cluster.status()).nodes[3]?.name as string;
  const toml = tomlOf(name);
  const taken = await runNode(toml);
  assert.notEqual(taken.code, 0);
  assert.match(taken.stderr, /in use|holds|busy|already/i);

  await cluster.stopNode(name, 'TERM');
  const missing = await runNode(toml.replace(/^path = "(.*)"$/m, 'path = "$1-missing"'));
  assert.notEqual(missing.code, 0);
  assert.match(missing.stderr, /-missing/);

  const secret = /"([0-9a-f]{32,})"/.exec(toml.slice(toml.indexOf('peer_secrets')))?.[1] as string;
  const ended = await runNode(toml.replaceAll(secret, 'f'.repeat(secret.length)));
  assert.notEqual(ended.code, 0, 'a node with a wrong secret ended well');
  assert.match(ended.stderr, /secret/i, ended.stderr.slice(-2000));
  await cluster.startNode(name);
  await cluster.waitHealthy();
});

test("a drive of another slot is refused by the superblock's own words", async () => {
  const nodes = (await cluster.status()).nodes;
  const [one, other] = [nodes[2]?.name as string, nodes[3]?.name as string];
  await cluster.stopNode(other, 'TERM');
  await cluster.stopNode(one, 'TERM');
  const path = /^path = "(.*)"$/m.exec(tomlOf(one))?.[1] as string;
  const copy = join(folder, 'foreign');
  copyDrive(path, copy);
  const ended = await runNode(tomlOf(other).replace(/^path = .*$/m, `path = "${copy}"`));
  assert.notEqual(ended.code, 0);
  assert.match(ended.stderr, /slot/);
  await cluster.startNode(one);
  await cluster.startNode(other);
  await cluster.waitHealthy();
});

test('a resource that breaks a rule is refused before anything is made', async () => {
  const text = readFileSync(join(root, 'crds/examples/minimal.yaml'), 'utf8');
  const file = join(folder, 'broken.yaml');
  writeFileSync(file, text.replace('parity: 2', 'parity: 4').replace('names: [d0]', 'names: [d0, d0]'));
  const data = join(folder, 'never');
  const refused = await openlake(['up', '--file', file, '--data', data]);
  assert.notEqual(refused.code, 0);
  assert.match(refused.stderr, /parity/);
  assert.match(refused.stderr, /d0/);
  chmodSync(folder, 0o755);
});
