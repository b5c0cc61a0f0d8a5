/** TLS between nodes on real processes: what it lets in, what it keeps out, and how its certificates change. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { connect, createServer, type Server } from 'node:net';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { CreateBucketCommand, GetObjectCommand, PutObjectCommand, S3Client } from '@aws-sdk/client-s3';
import type { NodeConfig, PeerTlsConfig } from '../../node/config/schema.ts';
import { Authority, type CertificateWish, EXPIRED, placeCertificate } from '../certificates.ts';
import { clusterConfigs, NodeProcess, temporaryFolder, until } from '../node/engine/node-process.ts';

const Bucket = 'encrypted';
const HERE: CertificateWish = { names: 'IP:127.0.0.1' };
/** Stands in objects, and must not be seen between nodes. */
const WORDS = 'words that nobody on the network is to read ';
const folder = temporaryFolder();
const ours = new Authority(folder.path, 'ours');
const other = new Authority(folder.path, 'other');
const running = new Map<number, NodeProcess>();
let configs: readonly NodeConfig[] = [];
let client: S3Client;
let between: Awaited<ReturnType<typeof tap>>;

const folderOf = (node: number): string => path.join(folder.path, `certificates-${node}`);

/** Gives a node a new certificate, in the files that it has. */
function certify(
  node: number,
  options: { readonly by?: Authority; readonly wish?: CertificateWish; readonly trusted?: string } = {},
): PeerTlsConfig {
  const { by = ours, wish = HERE, trusted = ours.pem } = options;
  return { mode: 'require', ...placeCertificate(folderOf(node), { ...by.issue(wish), authority: trusted }) };
}

function start(node: number, config = configs[node] as NodeConfig): NodeProcess {
  const started = new NodeProcess(folder.path, config);
  running.set(node, started);
  return started;
}

async function stop(node: number): Promise<void> {
  await running.get(node)?.end('SIGINT');
  running.delete(node);
}

async function metric(node: number, line: RegExp): Promise<boolean> {
  const { listen, secrets } = (running.get(node) as NodeProcess).config;
  const reply = await fetch(`http://${listen.admin}/metrics`, { headers: { authorization: `Bearer ${secrets.admin_token}` } });
  return line.test(await reply.text());
}

/** What a node says of the others, in /v1/sets; nothing while it is starting. */
async function setsOf(node: number): Promise<string> {
  return JSON.stringify(await (running.get(node) as NodeProcess).admin('/v1/sets').catch(() => ''));
}

async function roundTrip(bytes: Buffer): Promise<void> {
  const Key = randomBytes(8).toString('hex');
  await client.send(new PutObjectCommand({ Bucket, Key, Body: bytes }));
  const reply = await client.send(new GetObjectCommand({ Bucket, Key }));
  assert.ok(bytes.equals((await reply.Body?.transformToByteArray()) ?? Buffer.alloc(0)), `${Key}: other bytes came back`);
}

/** Passes connections on to a port and keeps all bytes that go by. */
async function tap(port: number): Promise<{ readonly port: number; readonly seen: () => Buffer; readonly server: Server }> {
  const chunks: Buffer[] = [];
  const server = createServer((near) => {
    const far = connect(port, '127.0.0.1');
    for (const [from, to] of [
      [near, far],
      [far, near],
    ] as const) {
      from.on('data', (chunk: Buffer) => chunks.push(chunk));
      from.on('error', () => to.destroy());
      from.pipe(to);
    }
  });
  await once(server.listen(0, '127.0.0.1'), 'listening');
  const address = server.address();
  return { port: typeof address === 'object' ? (address?.port ?? 0) : 0, seen: () => Buffer.concat(chunks), server };
}

before(async () => {
  const plain = await clusterConfigs(folder.path, { nodes: 4, drivesPerNode: 1 });
  configs = plain.map((config, node) => ({ ...config, peer_tls: certify(node) }));
});
after(async () => {
  client?.destroy();
  between?.server.close();
  await Promise.all([...running.values()].map((node) => node[Symbol.asyncDispose]()));
  folder[Symbol.dispose]();
});

test('a cluster serves over TLS, and what passes between its nodes cannot be read', async () => {
  const far = configs[1]?.nodes[1]?.peer_port as number;
  between = await tap(far);
  // Node 0 reaches node 1 by way of the tap.
  const nodes = configs[0]?.nodes.map((node) => (node.id === 1 ? { ...node, peer_port: between.port } : node)) ?? [];
  start(0, { ...(configs[0] as NodeConfig), nodes });
  for (const node of [1, 2, 3]) start(node);
  await Promise.all([...running.values()].map((node) => node.ready()));
  const { credentials, listen } = configs[0] as NodeConfig;
  const [credential] = credentials;
  client = new S3Client({
    endpoint: `http://${listen.s3}`,
    region: 'us-east-1',
    forcePathStyle: true,
    // A failed request is to be seen.
    maxAttempts: 1,
    credentials: { accessKeyId: credential?.access_key ?? '', secretAccessKey: credential?.secret_key ?? '' },
  });
  await client.send(new CreateBucketCommand({ Bucket }));
  for (const repeats of [10, 10_000]) await roundTrip(Buffer.from(WORDS.repeat(repeats)));
  for (const peer of [1, 2, 3]) assert.ok(await metric(0, new RegExp(`^openlake_peer_encrypted\\{peer="${peer}"\\} 1$`, 'm')));
  assert.ok(await metric(0, /^openlake_peer_certificate_not_after_seconds 4070908800$/m));
  const seen = between.seen();
  assert.ok(seen.length > 200_000, `only ${seen.length} bytes went by`);
  assert.ok(!seen.includes(WORDS.slice(0, 20)), 'an object');
  assert.ok(!seen.includes(Buffer.from(configs[0]?.cluster.id ?? '', 'hex')), 'a handshake');
});

test('certificates and their authority change under load without a failed request', async () => {
  const stopping = new AbortController();
  let requests = 0;
  const load = Array.from({ length: 6 }, async () => {
    while (!stopping.signal.aborted) {
      await roundTrip(randomBytes(50_000));
      requests += 2;
    }
  });
  const both = ours.pem + other.pem;
  // Renewed; then the other authority is trusted too, used, and back again.
  const steps = [{}, { trusted: both }, { by: other, trusted: both }, { trusted: both }, {}];
  for (const step of steps) {
    for (const node of configs.keys()) {
      const taken = (): number => (running.get(node) as NodeProcess).log.split('live=peer_tls').length;
      const earlier = taken();
      certify(node, step);
      await until(async () => taken() > earlier, `node ${node} to take its new certificate`);
    }
    await sleep(1500);
  }
  stopping.abort();
  await Promise.all(load);
  assert.ok(requests > 100, `${requests} requests`);
  // A busy machine may make a node miss a ping; nothing else ends a link.
  const ended = /(?<!cannot )link to node \d+: (?!no answer to a ping)/;
  for (const [node, { log }] of running) assert.doesNotMatch(log, ended, `a link of node ${node} was down`);
});

test('a node by another authority is refused, all sides say why, and the others serve on', async () => {
  await stop(3);
  start(3, { ...(configs[3] as NodeConfig), peer_tls: certify(3, { by: other, trusted: ours.pem + other.pem }) });
  const text = "it was not issued by an authority of this node's ca_file";
  await until(async () => (await setsOf(0)).includes(text), `${text} in the sets of node 0: ${await setsOf(0)}`);
  const theirs = "it was not issued by an authority of the other side's ca_file";
  await until(async () => (await setsOf(3)).includes(theirs), `${theirs} in the sets of node 3`);
  assert.ok(await metric(0, /^openlake_peer_connected\{peer="3"\} 0$/m));
  await roundTrip(randomBytes(300_000));
});

test('an expired certificate is refused until it is renewed, which takes no restart', async () => {
  await stop(3);
  const node = start(3, { ...(configs[3] as NodeConfig), peer_tls: certify(3, { wish: { ...HERE, validity: EXPIRED } }) });
  await until(async () => (await setsOf(0)).includes('days ago by the clock of this node; renew it'), 'node 0 to say that it expired');
  await until(async () => node.log.includes('the certificate of this node has expired'), 'the node to say so itself');
  await roundTrip(randomBytes(300_000));
  certify(3);
  await node.ready();
});

test('a certificate that cannot be used is refused at the start and, on a running node, not taken', async () => {
  const node = running.get(2) as NodeProcess;
  placeCertificate(folderOf(2), { certificate: 'nothing', key: ours.issue(HERE).key, authority: ours.pem });
  const text = /peer_tls\.certificate_file = .*: expected a certificate in PEM/;
  await until(async () => text.test(node.log), 'the refusal in its log');
  assert.match(JSON.stringify(await node.admin('/v1/config')), /peer_tls\.certificate_file/);
  await roundTrip(randomBytes(300_000));
  await stop(2);
  const again = start(2);
  assert.equal(await again.exit(), 2);
  assert.match(again.log, text);
  certify(2);
  await start(2).ready();
});

test('TLS comes to a running cluster node by node, and goes again', async () => {
  for (const mode of ['accept', undefined, 'accept', 'require'] as const) {
    for (const [node, process] of running) {
      const { peer_tls, ...plain } = configs[node] as NodeConfig;
      process.writeConfig(mode === undefined ? plain : { ...plain, peer_tls: { ...(peer_tls as PeerTlsConfig), mode } });
      await sleep(300);
      await roundTrip(randomBytes(100_000));
    }
    const wanted = mode === undefined ? 0 : 1;
    const line = new RegExp(`^openlake_peer_encrypted\\{peer="2"\\} ${wanted}$`, 'm');
    await until(() => metric(1, line), `links to be ${wanted === 1 ? '' : 'un'}encrypted`);
  }
  // One without TLS among those that require it: both sides say what to do.
  const { peer_tls: _none, ...plain } = configs[3] as NodeConfig;
  await stop(3);
  start(3, plain);
  await until(async () => (await setsOf(3)).includes('give node 3 a [peer_tls] table too'), 'node 3 to say what it needs');
  await until(async () => (await setsOf(0)).includes('give this node a [peer_tls] table too'), 'node 0 to show the same');
  await roundTrip(randomBytes(100_000));
});
