/** Both images: built from their Dockerfiles, small, not root, and really running: an object goes through the node's. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { chownSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { CreateBucketCommand, GetObjectCommand, PutObjectCommand, S3Client } from '@aws-sdk/client-s3';
import { joinParts, SHARED_FILE } from '../../node/config/file.ts';
import { validateCluster } from '../../operator/api/validate.ts';
import { plan } from '../../operator/plan/plan.ts';
import { runProgram } from '../cluster/cluster.ts';
import { type BuiltImage, buildImage, runBeside, startInImage } from './images.ts';
import { freePort, type Service } from './service.ts';

const USER = 65532;
const KEYS = { accessKey: 'AKIAIMAGE', secretKey: 'secret-of-the-image-test' };
let folder: string;
let node: BuiltImage;
let operator: BuiltImage;

/** Waits for an answer of 200; throws with the program's log when it ended or took too long. */
async function waitReady(service: Service, url: string): Promise<void> {
  for (let attempt = 0; attempt < 600 && service.ended() === undefined; attempt += 1) {
    const answer = await fetch(url).catch(() => undefined);
    if (answer?.status === 200) return;
    await sleep(100);
  }
  throw new Error(`${service.name} does not answer at ${url} (${service.ended() ?? 'running'}):\n${readFileSync(service.logFile, 'utf8')}`);
}

/** The pod of a cluster of one node with four folders as drives: its configuration and command, as the operator would apply them. */
function podOfOneNode(ports: { readonly s3: number; readonly peer: number; readonly admin: number }): {
  readonly toml: string;
  readonly command: readonly string[];
} {
  const result = validateCluster({
    apiVersion: 'openlake.dev/v1alpha1',
    kind: 'OpenLakeCluster',
    metadata: { name: 'image' },
    spec: {
      version: '0.1.0',
      pools: [
        {
          name: 'p0',
          nodes: { count: 1, gpu: 'Ignore', rdma: 'Ignore' },
          drives: { directories: { parent: '/mnt/openlake', names: ['d0', 'd1', 'd2', 'd3'], mountCheck: 'Directory' } },
          erasure: { setSize: 4, parity: 2 },
        },
      ],
      io: { cores: 1, memory: '256Mi' },
      network: { s3Port: ports.s3, peerPort: ports.peer, adminPort: ports.admin },
    },
  });
  assert.equal(result.kind, 'ok', JSON.stringify(result));
  if (result.kind !== 'ok') throw new Error('unreachable');
  const planned = plan({
    cluster: result.cluster,
    candidates: [{ name: 'n0', address: '127.0.0.1', labels: {}, resources: [] }],
    secrets: { peerSecrets: ['ab'.repeat(32)], adminToken: 'token-of-the-image-test', credentials: [KEYS] },
    recorded: { clusterId: 'c'.repeat(32), bootstrapped: false, members: [], layout: undefined },
  });
  if (planned.kind !== 'apply') throw new Error(JSON.stringify(planned));
  const container = planned.children.daemonSets[0]?.spec?.template.spec?.containers[0];
  const words = [...(container?.command ?? []), ...(container?.args ?? [])].map((word) => word.replace('$(NODE_NAME)', 'n0'));
  const { 'n0.toml': own = '', [SHARED_FILE]: shared = '' } = planned.children.config.stringData;
  return { toml: joinParts(own, shared), command: words };
}

/** Names of the packages that an image holds. */
function packages(image: BuiltImage): readonly string[] {
  return readdirSync(join(image.folder, 'app/node_modules'));
}

async function sizeBytes(path: string): Promise<number> {
  const done = await runProgram('du', { args: ['-sb', path] });
  return Number(done.stdout.split('\t')[0]);
}

describe('images', () => {
  before(async () => {
    folder = mkdtempSync(join(tmpdir(), 'openlake-images-'));
    node = await buildImage('node');
    operator = await buildImage('operator');
  });

  after(async () => {
    for (const image of [node, operator]) await image?.[Symbol.asyncDispose]();
    rmSync(folder, { recursive: true, force: true });
  });

  test('both images say what they are, and that they are nobody', () => {
    for (const [image, title, program] of [
      [node, 'OpenLake storage node', '/app/node/main.ts'],
      [operator, 'OpenLake operator', '/app/operator/main.ts'],
    ] as const) {
      assert.equal(image.config.User, `${USER}:${USER}`);
      assert.equal(image.config.Labels['org.opencontainers.image.title'], title);
      assert.equal(image.config.Labels['org.opencontainers.image.revision'], 'test');
      assert.deepEqual(image.config.Entrypoint, ['node', program]);
      assert.ok(existsSync(join(image.folder, program)), `${program} is missing`);
      assert.equal(image.config.Healthcheck?.Test[0], 'CMD');
    }
  });

  test('an image holds what its program imports and nothing of the other', async () => {
    assert.deepEqual(
      packages(node).filter((name) => ['@kubernetes', 'typescript', '@aws-sdk', 'node'].includes(name)),
      [],
    );
    assert.deepEqual(
      packages(operator).filter((name) => ['fastify', 'fast-xml-parser', 'typescript', '@aws-sdk', 'node'].includes(name)),
      [],
    );
    assert.ok(!existsSync(join(node.folder, 'app/operator')) && !existsSync(join(operator.folder, 'app/native')));
    for (const image of [node, operator]) {
      for (const tool of ['cargo', 'rustc', 'npm', 'gcc']) assert.ok(!existsSync(join(image.folder, 'usr/local/bin', tool)), tool);
      const bytes = (await sizeBytes(join(image.folder, 'app'))) + (await sizeBytes(join(image.folder, 'usr/local')));
      assert.ok(bytes < 300 * 1024 * 1024, `${image.config.Entrypoint.join(' ')} adds ${bytes} bytes to its base`);
    }
  });

  test('the storage node of the image stores an object and keeps it over a restart', async () => {
    const ports = { s3: await freePort(), peer: await freePort(), admin: await freePort() };
    const pod = podOfOneNode(ports);
    const drives = join(folder, 'drives');
    const config = join(folder, 'config');
    // A kubelet makes the folders of a trial's drives; the node never does.
    for (const path of [config, drives, ...['d0', 'd1', 'd2', 'd3'].map((name) => join(drives, name))]) {
      mkdirSync(path, { recursive: true });
      chownSync(path, USER, USER);
    }
    writeFileSync(join(config, 'n0.toml'), pod.toml);
    const env = { NODE_NAME: 'n0' };
    const mounts = { [config]: '/etc/openlake:ro', [drives]: '/mnt/openlake:rw' };
    const start = (): Service =>
      startInImage(node, { name: 'storage node', command: pod.command, mounts, env, logFile: join(folder, 'node.log') });
    const client = new S3Client({
      endpoint: `http://127.0.0.1:${ports.s3}`,
      region: 'us-east-1',
      forcePathStyle: true,
      credentials: { accessKeyId: KEYS.accessKey, secretAccessKey: KEYS.secretKey },
    });
    const body = randomBytes(3 * 1024 * 1024 + 17);
    const read = async (): Promise<Buffer> => {
      const answer = await client.send(new GetObjectCommand({ Bucket: 'images', Key: 'object' }));
      return Buffer.from((await answer.Body?.transformToByteArray()) ?? []);
    };
    const health = (service: Service): ReturnType<typeof runBeside> =>
      runBeside(service, { image: node, command: node.config.Healthcheck?.Test.slice(1) ?? [], env });

    const first = start();
    try {
      await waitReady(first, `http://127.0.0.1:${ports.admin}/readyz`);
      const healthy = await health(first);
      assert.equal(healthy.code, 0, `${healthy.stdout}${healthy.stderr}`);
      assert.match(readFileSync(`/proc/${first.pid}/status`, 'utf8'), new RegExp(`^Uid:\\s+${USER}\\s+${USER}`, 'm'));
      await client.send(new CreateBucketCommand({ Bucket: 'images' }));
      await client.send(new PutObjectCommand({ Bucket: 'images', Key: 'object', Body: body }));
      assert.ok((await read()).equals(body));
    } finally {
      await first.stop();
    }
    assert.equal(first.ended(), 'ended with 0', readFileSync(first.logFile, 'utf8'));
    const second = start();
    try {
      await waitReady(second, `http://127.0.0.1:${ports.admin}/readyz`);
      assert.ok((await read()).equals(body));
    } finally {
      await second.stop();
      client.destroy();
    }
  });

  test('the program of the operator’s image has all that it imports', async () => {
    const logFile = join(folder, 'operator.log');
    const service = startInImage(operator, { name: 'operator', command: [...operator.config.Entrypoint, '--help'], mounts: {}, logFile });
    while (service.ended() === undefined) await sleep(50);
    assert.equal(service.ended(), 'ended with 0', readFileSync(logFile, 'utf8'));
    assert.match(readFileSync(logFile, 'utf8'), /^Usage: openlake operator/);
  });

  test('the health command fails while no node answers', async () => {
    const logFile = join(folder, 'health.log');
    const config = join(folder, 'idle');
    mkdirSync(config);
    writeFileSync(join(config, 'node.toml'), podOfOneNode({ s3: 1, peer: 2, admin: 3 }).toml);
    const command = node.config.Healthcheck?.Test.slice(1) ?? [];
    const service = startInImage(node, { name: 'health', command, mounts: { [config]: '/etc/openlake:ro' }, logFile });
    while (service.ended() === undefined) await sleep(50);
    assert.equal(service.ended(), 'ended with 1', readFileSync(logFile, 'utf8'));
  });
});
