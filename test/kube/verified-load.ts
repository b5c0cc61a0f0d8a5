/**
 * A client that never stops: puts, overwrites, reads back and deletes small objects with the retries of its SDK, and checks
 * every byte. What it was acknowledged is remembered, so that it can be looked for at any later time.
 */
import { createHash, randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { DeleteObjectCommand, GetObjectCommand, NoSuchKey, PutObjectCommand, S3Client } from '@aws-sdk/client-s3';
import type { Credentials } from './kube-cluster.ts';

export type VerifiedLoad = {
  /** Works until `pause`. */
  readonly start: (url: string) => void;
  /** Ends the requests under way. */
  readonly pause: () => Promise<void>;
  /** Keys to sign with from now on. */
  readonly use: (credentials: Credentials) => void;
  /** Requests that failed, or answered what they should not have. */
  readonly failures: readonly string[];
  readonly requests: () => number;
  /** Reads everything that was acknowledged; returns what is not as it should be. */
  readonly verify: (url: string) => Promise<string[]>;
};

/** Each worker has these keys to itself, so it knows what each must hold. */
const KEYS = 12;
const WORKERS = 2;
const ATTEMPTS = 10;

const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');

/** A load on a bucket that exists, signed with `keys`; a request fails when it failed in `attempts`. */
export function createLoad(bucket: string, keys: Credentials, attempts: number = ATTEMPTS): VerifiedLoad {
  let current = keys;
  let requests = 0;
  let running: { readonly stop: AbortController; readonly workers: readonly Promise<void>[] } | undefined;
  const failures: string[] = [];
  /** Digest by key; undefined after a delete. */
  const acknowledged = new Map<string, string | undefined>();

  const clientOf = (url: string): S3Client =>
    new S3Client({
      endpoint: url,
      region: 'us-east-1',
      forcePathStyle: true,
      maxAttempts: attempts,
      credentials: () => Promise.resolve({ accessKeyId: current.accessKey, secretAccessKey: current.secretKey, expiration: new Date(0) }),
    });

  const read = async (client: S3Client, key: string): Promise<string | undefined> => {
    try {
      const reply = await client.send(new GetObjectCommand({ Bucket: bucket, Key: key }));
      return sha256((await reply.Body?.transformToByteArray()) ?? new Uint8Array());
    } catch (error) {
      if (error instanceof NoSuchKey) return undefined;
      throw error;
    }
  };

  const turnOf = async (client: S3Client, from: { readonly worker: number; readonly turn: number }): Promise<void> => {
    const key = `worker-${from.worker}-${from.turn % KEYS}`;
    if (from.turn % 7 === 6) {
      await client.send(new DeleteObjectCommand({ Bucket: bucket, Key: key }));
      acknowledged.set(key, undefined);
    } else {
      const bytes = randomBytes(1 + ((from.turn * 7919) % 30_000));
      await client.send(new PutObjectCommand({ Bucket: bucket, Key: key, Body: bytes }));
      acknowledged.set(key, sha256(bytes));
    }
    const other = `worker-${from.worker}-${(from.turn * 5) % KEYS}`;
    const found = await read(client, other);
    if (found !== acknowledged.get(other)) throw new Error(`${other} has ${found}, not ${acknowledged.get(other)}`);
    requests += 2;
  };

  return {
    failures,
    requests: () => requests,
    use: (credentials) => {
      current = credentials;
    },
    start: (url) => {
      const stop = new AbortController();
      const work = async (worker: number): Promise<void> => {
        const client = clientOf(url);
        for (let turn = 0; !stop.signal.aborted; turn += 1) {
          await turnOf(client, { worker, turn }).catch((error: unknown) =>
            failures.push(`worker ${worker}, turn ${turn}: ${String(error)}`),
          );
          await sleep(20);
        }
        client.destroy();
      };
      running = { stop, workers: Array.from({ length: WORKERS }, (_, worker) => work(worker)) };
    },
    pause: async () => {
      running?.stop.abort();
      await Promise.all(running?.workers ?? []);
      running = undefined;
    },
    verify: async (url) => {
      const client = clientOf(url);
      const wrong: string[] = [];
      for (const [key, expected] of acknowledged) {
        const found = await read(client, key).catch(String);
        if (found !== expected) wrong.push(`${key} through ${url}: ${found}, not ${expected}`);
      }
      client.destroy();
      return wrong;
    },
  };
}
