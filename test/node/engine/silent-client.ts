/** Runs in a worker while the main thread, which is the control plane, does nothing: sends one request and says how it ended. */
import { parentPort, workerData } from 'node:worker_threads';
import { GetObjectCommand, ListBucketsCommand, S3Client } from '@aws-sdk/client-s3';

export type SilentOrder = {
  readonly endpoint: string;
  readonly credentials: { readonly accessKeyId: string; readonly secretAccessKey: string };
  readonly delayMs: number;
  readonly operation: 'list' | 'get';
  /** Two numbers: 1 once the silence begins, and how many requests have ended, for a main thread that waits without turning its loop. */
  readonly shared: SharedArrayBuffer;
};
export type SilentResult = { readonly status: number; readonly retryAfter: string | undefined; readonly elapsedMs: number };

const order = workerData as SilentOrder;
const client = new S3Client({
  endpoint: order.endpoint,
  region: 'us-east-1',
  forcePathStyle: true,
  credentials: order.credentials,
  maxAttempts: 1,
});
const shared = new Int32Array(order.shared);
// oxlint-disable-next-line unicorn/require-post-message-target-origin -- a worker's port has no origin
parentPort?.postMessage('ready');
Atomics.wait(shared, 0, 0);
await new Promise((resolve) => {
  setTimeout(resolve, order.delayMs);
});
const startMs = performance.now();
const command = order.operation === 'list' ? new ListBucketsCommand({}) : new GetObjectCommand({ Bucket: 'bucket', Key: 'key' });
let status: number;
let retryAfter: string | undefined;
try {
  const reply = await client.send(command as GetObjectCommand);
  await reply.Body?.transformToByteArray();
  status = reply.$metadata.httpStatusCode ?? 0;
} catch (error) {
  const { $response, $metadata } = error as {
    readonly $response?: { readonly headers: Record<string, string> };
    readonly $metadata?: { readonly httpStatusCode?: number };
  };
  status = $metadata?.httpStatusCode ?? 0;
  retryAfter = $response?.headers['retry-after'];
}
// oxlint-disable-next-line unicorn/require-post-message-target-origin -- a worker's port has no origin
parentPort?.postMessage({ status, retryAfter, elapsedMs: performance.now() - startMs } satisfies SilentResult);
Atomics.add(shared, 1, 1);
Atomics.notify(shared, 1);
