/**
 * S3 clients that follow readiness, as a load balancer in front of them would: each request goes to the next node that says it is ready.
 * What happens to each single attempt is written down, also where the SDK's retries hide it.
 */
import { S3Client } from '@aws-sdk/client-s3';
import type { FaultCluster } from './fault-cluster.ts';

/** How often a node is asked whether it is ready; shorter than the delay between unready and closed. */
const PERIOD_MS = 250;

export type ReadinessFollower = Disposable & {
  /** A client of the node whose turn it is. */
  readonly next: () => S3Client;
  /** Connections that were refused, as `NODE: reason`. */
  readonly refused: readonly string[];
  /** Attempts that failed otherwise and were made again. */
  readonly retried: readonly string[];
};

/** Follows the readiness of all nodes until disposed of. */
export async function followReadiness(on: FaultCluster): Promise<ReadinessFollower> {
  const { AWS_REGION: region, AWS_ACCESS_KEY_ID: accessKeyId, AWS_SECRET_ACCESS_KEY: secretAccessKey } = on.cluster.env;
  const refused: string[] = [];
  const retried: string[] = [];
  const ready = new Set<number>();
  const admins = (await on.status()).nodes.map((node) => node.endpoints.admin);
  const look = async (): Promise<void> => {
    const answers = await Promise.allSettled(admins.map((url) => fetch(`${url}/readyz`, { signal: AbortSignal.timeout(2000) })));
    for (const [node, answer] of answers.entries()) {
      if (answer.status === 'fulfilled' && answer.value.ok) ready.add(node);
      else ready.delete(node);
    }
  };
  await look();
  let looking = false;
  const timer = setInterval(() => {
    if (looking) return;
    looking = true;
    void look().finally(() => {
      looking = false;
    });
  }, PERIOD_MS);
  const clients = on.endpoints.map((endpoint, node) => {
    const client = new S3Client({
      endpoint,
      region: region as string,
      forcePathStyle: true,
      credentials: { accessKeyId: accessKeyId as string, secretAccessKey: secretAccessKey as string },
    });
    client.middlewareStack.add(
      (next) => async (args) => {
        try {
          return await next(args);
        } catch (error) {
          const reason = `${on.names[node]}: ${error instanceof Error ? `${error.name} ${error.message}` : String(error)}`;
          (/ECONNREFUSED/.test(reason) ? refused : retried).push(reason);
          throw error;
        }
      },
      { step: 'finalizeRequest', priority: 'low', name: 'writeDownAttempts' },
    );
    return client;
  });
  let turn = 0;
  return {
    refused,
    retried,
    next: () => {
      turn += 1;
      const nodes = [...ready].toSorted((left, right) => left - right);
      if (nodes.length === 0) throw new Error('no node is ready');
      return clients[nodes[turn % nodes.length] as number] as S3Client;
    },
    [Symbol.dispose]: () => {
      clearInterval(timer);
      for (const client of clients) client.destroy();
    },
  };
}
