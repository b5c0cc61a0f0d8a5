/**
 * The operator's process, put together: informers everywhere, work on whoever holds the Lease.
 *
 * Ends with 0 when told to, with 1 when the Lease was lost: a fresh process knows nothing that is not true any more.
 */
import { sleep } from '../kube/back-off.ts';
import { createClient, type KubeClient } from '../kube/client.ts';
import { isTransient } from '../kube/errors.ts';
import { createEventRecorder } from '../kube/events.ts';
import { startElection } from '../kube/leader.ts';
import { createQueue } from '../kube/queue.ts';
import { startCaches } from '../observe/caches.ts';
import { checkCrd } from './crd-check.ts';
import { startHealthServer } from './health-server.ts';
import { createLog, describeError } from './log.ts';
import { createMetrics } from './metrics.ts';
import type { OperatorOptions } from './options.ts';
import { createReconciler } from './reconcile.ts';

const LEASE_NAME = 'openlake-operator';
/** How often an unfit definition is looked at. */
const DEFINITION_PERIOD_MS = 2_000;
/** Passes wait for nodes' answers most of the time. */
const WORKERS = 4;
/** After an API server was away for long, its clusters should not wait for minutes more. */
const LONGEST_RETRY_MS = 60_000;

export type ProcessEdges = {
  readonly stop: AbortSignal;
  readonly writeLine: (line: string) => void;
  readonly nowMs: () => number;
};

/** Runs until stopped or the Lease is lost; returns the exit code. */
export async function runOperator(options: OperatorOptions, edges: ProcessEdges): Promise<number> {
  const log = createLog(edges.writeLine, edges.nowMs);
  const client = createClient(options.config, edges.nowMs);
  // Times of objects are the API server's: a wrong clock of ours must not make a pod ready for longer, or long gone.
  const nowMs = (): number => edges.nowMs() + client.clockOffsetMs();
  const stopped = new Promise<'stopped'>((resolve) => {
    if (edges.stop.aborted) resolve('stopped');
    edges.stop.addEventListener('abort', () => resolve('stopped'), { once: true });
  });
  let isWorking = false;
  let unfit: string | undefined = 'the definition of the resource was not looked at yet';
  const definition = waitForDefinition(client, {
    signal: edges.stop,
    tell: (reason) => {
      unfit = reason;
      if (reason !== undefined) log('waiting', { reason });
    },
  });
  const caches = startCaches(client, {
    namespaces: options.namespaces,
    onKey: (key) => {
      if (isWorking) queue.add(key);
    },
    onError: (error) => {
      metrics.apiErrors.inc();
      log('watch failed', { error: describeError(error) });
    },
  });
  const leadership = startElection(client, {
    name: LEASE_NAME,
    namespace: options.leaseNamespace,
    identity: options.identity,
    onError: (error) => log('lease not renewed', { error: describeError(error) }),
  });
  const metrics = createMetrics({ queueDepth: () => queue.depth(), isLeader: leadership.isLeader });
  const events = createEventRecorder(client, {
    identity: options.identity,
    onError: (error) => log('event not written', { error: describeError(error) }),
  });
  const work = createReconciler({
    client,
    caches,
    events,
    metrics,
    log,
    nowMs,
    leaseAgeMs: leadership.renewedMsAgo,
    isLeader: leadership.isLeader,
  });
  const queue = createQueue({ work, workers: WORKERS, longestRetryMs: LONGEST_RETRY_MS });
  const health = await startHealthServer(
    { host: options.healthHost, port: options.healthPort },
    { registry: metrics.registry, ready: () => unfit ?? (caches.hasSynced() ? undefined : 'the first lists are not complete') },
  );
  log('listening', { address: health.address, identity: options.identity, namespaces: options.namespaces });

  const lost = leadership.lost.then(() => 'lost' as const);
  const started = Promise.all([leadership.acquired, caches.synced, definition]).then(() => 'working' as const);
  let end = await Promise.race([started, lost, stopped]);
  if (end === 'working') {
    log('leading');
    isWorking = true;
    caches.keys().forEach(queue.add);
    end = await Promise.race([lost, stopped]);
  }
  log(end === 'lost' ? 'lease lost' : 'stopping');
  isWorking = false;
  health.close();
  // Without the Lease there is no time to finish anything.
  if (end === 'lost') return 1;
  await queue.stop();
  await leadership.release();
  await caches.stop();
  client.close();
  return 0;
}

/** Resolves when the definition that is served is new enough, or cannot be looked at; tells why not, each time that changes. */
async function waitForDefinition(
  client: KubeClient,
  options: { readonly signal: AbortSignal; readonly tell: (reason: string | undefined) => void },
): Promise<void> {
  let told: string | undefined;
  while (!options.signal.aborted) {
    // Where it may not be looked at, the API server's answers will have to do.
    const reason = await checkCrd(client).catch((error: unknown) => (isTransient(error) ? describeError(error) : undefined));
    if (reason === undefined || reason !== told) options.tell(reason);
    if (reason === undefined) return;
    told = reason;
    await sleep(DEFINITION_PERIOD_MS, options.signal);
  }
}
