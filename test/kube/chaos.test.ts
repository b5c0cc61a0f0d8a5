/**
 * The operator killed at random moments, the API server restarted: the end state is that of an undisturbed run, and a
 * retrying client never notices. OPENLAKE_TEST_SEED replays a run's moments.
 */
import assert from 'node:assert/strict';
import { randomInt } from 'node:crypto';
import { after, before, describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { CreateBucketCommand, GetObjectCommand, PutObjectCommand, S3Client } from '@aws-sdk/client-s3';
import type { ClusterStatus } from '../../operator/api/status.ts';
import { GPU_AND_RDMA } from './fake-node.ts';
import { condition, type KubeCluster, startKubeCluster } from './kube-cluster.ts';
import { sharedControlPlane } from './shared.ts';

const seed = Number(process.env['OPENLAKE_TEST_SEED'] ?? randomInt(2 ** 31));

/** Numbers from 0 to 1 from a seed (mulberry32). */
function random(from: number): () => number {
  let state = from;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

function spec(repository: string): object {
  return {
    version: '0.1.0',
    image: { repository },
    pools: [
      {
        name: 'p0',
        nodes: { count: 4 },
        drives: { directories: { parent: '/mnt/openlake', names: ['d0'], mountCheck: 'Directory' } },
        erasure: { setSize: 4, parity: 2 },
      },
    ],
    io: { memory: '128Mi', cores: 1 },
    update: { minReadySeconds: 0 },
  };
}

const isWhole = (status: ClusterStatus): boolean =>
  condition(status, 'Ready').status === 'True' &&
  status.setsHealthy === '1/1' &&
  status.membersReady === '4/4' &&
  condition(status, 'Reconciling').status === 'False';

describe(`a cluster whose operator is killed again and again (seed ${seed})`, () => {
  let cluster: KubeCluster;
  const next = random(seed);

  before(async () => {
    const node = { labels: GPU_AND_RDMA };
    cluster = await startKubeCluster(await sharedControlPlane(), { nodes: [node, node, node, node] });
  });
  after(async () => {
    await cluster?.[Symbol.asyncDispose]();
  });

  /** Runs an operator that is killed after a random time, `kills` times; the last one stays, and is returned with a way to end it. */
  async function kill(times: number): Promise<AsyncDisposable & { readonly ended: () => string | undefined }> {
    for (let count = 0; count < times; count += 1) {
      const operator = await cluster.startOperator('operator-0');
      // From before its first request until well into its work.
      await sleep(300 + next() * 4000);
      await operator.stop('SIGKILL');
    }
    const last = await cluster.startOperator('operator-0');
    return { ended: last.ended, [Symbol.asyncDispose]: () => last.stop('SIGTERM') };
  }

  const podsOfStorage = () => cluster.runner.pods().filter((pod) => pod.labels['app.kubernetes.io/name'] === 'openlake');

  test('comes up as it would undisturbed', async () => {
    await cluster.apply(spec('openlake/node'));
    await using last = await kill(5);
    const status = await cluster.waitFor('the cluster to be whole', isWhole);
    assert.deepEqual(status.members?.map(({ id }) => id).toSorted(), [0, 1, 2, 3]);
    assert.equal(new Set(status.members?.map(({ nodeName }) => nodeName)).size, 4);
    assert.equal(podsOfStorage().length, 4);
    assert.equal(last.ended(), undefined);
  });

  test('rolls to another image while a client works, with the API server restarted on the way', async () => {
    const root = await cluster.secret('minimal-root');
    await using proxy = await cluster.proxy('minimal');
    await cluster.waitUntil('four ready endpoints', () => proxy.endpoints().length === 4);
    const credentials = { accessKeyId: root['accessKey'] ?? '', secretAccessKey: root['secretKey'] ?? '' };
    const client = new S3Client({ endpoint: proxy.url, region: 'us-east-1', forcePathStyle: true, credentials, maxAttempts: 10 });
    await client.send(new CreateBucketCommand({ Bucket: 'bucket' }));
    const stop = new AbortController();
    const failed: string[] = [];
    let mostAway = 0;
    const work = (async () => {
      for (let turn = 0; !stop.signal.aborted; turn += 1) {
        const text = `content ${turn}`;
        try {
          await client.send(new PutObjectCommand({ Bucket: 'bucket', Key: `key-${turn}`, Body: text }));
          const reply = await client.send(new GetObjectCommand({ Bucket: 'bucket', Key: `key-${turn}` }));
          assert.equal(await reply.Body?.transformToString(), text);
        } catch (error) {
          failed.push(`key-${turn}: ${String(error)}`);
        }
        mostAway = Math.max(mostAway, 4 - podsOfStorage().filter((pod) => pod.ready).length);
        await sleep(30);
      }
    })();
    try {
      await cluster.apply(spec('openlake/node-later'));
      const early = await kill(4);
      await cluster.plane.restartApiServer();
      await early[Symbol.asyncDispose]();
      await using last = await kill(2);
      await cluster.waitUntil('every pod to be of the new image', () => {
        const pods = podsOfStorage();
        return pods.length === 4 && pods.every((pod) => pod.image.startsWith('openlake/node-later'));
      });
      const status = await cluster.waitFor('the cluster to be whole', isWhole);
      assert.deepEqual(status.members?.map(({ id }) => id).toSorted(), [0, 1, 2, 3]);
      assert.equal(last.ended(), undefined);
    } finally {
      stop.abort();
      await work;
      client.destroy();
    }
    assert.deepEqual(failed, []);
    assert.ok(mostAway <= 1, `${mostAway} pods were away at the same time`);
  });
});
