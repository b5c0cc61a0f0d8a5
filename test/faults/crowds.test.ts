/** Crowds on real processes: many writers of one key through all nodes, and many lists at once through one. Nobody is turned away. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { CreateBucketCommand, GetObjectCommand, ListObjectsV2Command, PutObjectCommand, S3Client } from '@aws-sdk/client-s3';
import { startFaultCluster } from './fault-cluster.ts';

const Bucket = 'crowds';
const WRITERS = 50;
const LISTERS = 300;
const rounds = Number(process.env['OPENLAKE_CROWDS'] ?? 4);

/** What became of every attempt, without any retry. */
async function outcomes(attempts: readonly Promise<unknown>[]): Promise<string[]> {
  const settled = await Promise.allSettled(attempts);
  return settled.flatMap((result) => (result.status === 'fulfilled' ? [] : [String(result.reason)]));
}

test('fifty writers of one key through four nodes, and three hundred lists through one, are all served', async (context) => {
  await using on = await startFaultCluster({ data: 2, parity: 2 });
  const { AWS_REGION: region, AWS_ACCESS_KEY_ID: accessKeyId, AWS_SECRET_ACCESS_KEY: secretAccessKey } = on.cluster.env;
  const clients = on.endpoints.map(
    (endpoint) =>
      new S3Client({
        endpoint,
        region: region as string,
        forcePathStyle: true,
        maxAttempts: 1,
        credentials: { accessKeyId: accessKeyId as string, secretAccessKey: secretAccessKey as string },
        requestHandler: { httpAgent: { maxSockets: LISTERS } },
      }),
  );
  const via = (number: number): S3Client => clients[number % clients.length] as S3Client;
  await via(0).send(new CreateBucketCommand({ Bucket }));
  for (let round = 0; round < rounds; round += 1) {
    const Key = `hot-${round}`;
    const startedMs = performance.now();
    const failed = await outcomes(
      Array.from({ length: WRITERS }, (_, writer) => via(writer).send(new PutObjectCommand({ Bucket, Key, Body: `writer ${writer}` }))),
    );
    context.diagnostic(`${WRITERS} writers took ${(performance.now() - startedMs).toFixed(0)} ms, ${failed.length} failed`);
    assert.deepEqual(failed, []);
    const reply = await via(round).send(new GetObjectCommand({ Bucket, Key }));
    assert.match((await reply.Body?.transformToString()) ?? '', /^writer \d+$/);
  }
  for (let number = 0; number < 200; number += 1) await via(number).send(new PutObjectCommand({ Bucket, Key: `key-${number}`, Body: 'x' }));
  for (let round = 0; round < rounds; round += 1) {
    const startedMs = performance.now();
    const failed = await outcomes(Array.from({ length: LISTERS }, () => via(0).send(new ListObjectsV2Command({ Bucket }))));
    context.diagnostic(`${LISTERS} lists took ${(performance.now() - startedMs).toFixed(0)} ms, ${failed.length} failed`);
    assert.deepEqual(failed, []);
  }
  for (const client of clients) client.destroy();
});
