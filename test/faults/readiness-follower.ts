/**
 * S3 clients that follow readiness, as a load balancer in front of them would: each request goes to the next node that says it is ready.
 * What happens to each single attempt is written down, also where the SDK's retries hide it.
 */
import { S3Client } from '@aws-sdk/client-s3';
import type { FaultCluster } from './fault-cluster.ts';

/** How often a node is asked whether it is ready; shorter than the delay between unready and closed. */
const PERIOD_MS = 250;
/** Nobody trusts an older answer than this: on a busy machine the next one may be late. Shorter than that delay too. */
const FRESH_MS = 1000;
/** So often all are asked once more before it counts that none is ready. */
const LOOKS = 3;

export type ReadinessFollower = Disposable & {
  /** A client of the node whose turn it is, chosen by answers of a moment ago. */
  readonly next: () => Promise<S3Client>;
  /** Connections that were refused, as `NODE: reason`. */
  readonly refused: readonly string[];
  /** Attempts that failed otherwise and were made again. */
  readonly retried: readonly string[];
};

/** The nodes that said a moment ago that they are ready. */
function freshOf(ready: ReadonlyMap<number, number>): number[] {
  const sinceMs = performance.now() - FRESH_MS;
  return [...ready].flatMap(([node, askedMs]) => (askedMs >= sinceMs ? [node] : [])).toSorted((left, right) => left - right);
}

/** Follows the readiness of all nodes until disposed of. */
export async function followReadiness(on: FaultCluster): Promise<ReadinessFollower> {
  const { AWS_REGION: region, AWS_ACCESS_KEY_ID: accessKeyId, AWS_SECRET_ACCESS_KEY: secretAccessKey } = on.cluster.env;
  const refused: string[] = [];
  const retried: string[] = [];
  /** When each node was asked that said it is ready. */
  const ready = new Map<number, number>();
  const admins = (await on.status()).nodes.map((node) => node.endpoints.admin);
  const ask = async (url: string, node: number): Promise<void> => {
    const askedMs = performance.now();
    const answer = await fetch(`${url}/readyz`, { signal: AbortSignal.timeout(2000) }).catch(() => undefined);
    if (answer?.ok === true) ready.set(node, askedMs);
    else ready.delete(node);
  };
  let looking: Promise<unknown> | undefined;
  /** Asks all nodes, unless that is under way. */
  const look = (): Promise<unknown> => {
    looking ??= Promise.all(admins.map(ask)).finally(() => {
      looking = undefined;
    });
    return looking;
  };
  await look();
  const timer = setInterval(() => void look(), PERIOD_MS);
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
    next: async () => {
      for (let looks = 0; freshOf(ready).length === 0; looks += 1) {
        if (looks === LOOKS) throw new Error('no node is ready');
        await look();
      }
      const nodes = freshOf(ready);
      turn += 1;
      return clients[nodes[turn % nodes.length] as number] as S3Client;
    },
    [Symbol.dispose]: () => {
      clearInterval(timer);
      for (const client of clients) client.destroy();
    },
  };
}
