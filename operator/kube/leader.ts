/**
 * One operator works, others stand by: whoever holds the Lease.
 *
 * A Lease names its holder and when it was renewed. Clocks of two machines are never compared: a stand-by takes the Lease
 * when it has not *seen it change* for the lease's duration by its own clock. Every write carries the resourceVersion, so of
 * two that try at once one gets 409. The holder that cannot renew within the deadline has lost it, and must end before
 * another can begin: deadline < duration.
 */
import type { V1Lease } from '@kubernetes/client-node';
import { sleep } from './back-off.ts';
import type { KubeClient } from './client.ts';
import { isConflict, isNotFound } from './errors.ts';
import { createObject, getObject } from './patch.ts';
import { resourcePath, resources } from './resources.ts';

export type LeaderOptions = {
  readonly name: string;
  readonly namespace: string;
  readonly identity: string;
  readonly onError: (error: unknown) => void;
  /** Durations as other controllers have them: 15 s, 10 s, 2 s. */
  readonly durationMs?: number;
  readonly deadlineMs?: number;
  readonly periodMs?: number;
};

export type Leadership = {
  /** Resolves when we hold the Lease. */
  readonly acquired: Promise<void>;
  /** Resolves when we held it and do not any more. */
  readonly lost: Promise<void>;
  readonly isLeader: () => boolean;
  /** Time since the last renewal, by our own clock; infinite while we do not hold it. */
  readonly renewedMsAgo: () => number;
  /** Stops renewing and gives the Lease away, so that the next one need not wait. */
  readonly release: () => Promise<void>;
};

/** Takes part in the election until released. */
export function startElection(client: KubeClient, options: LeaderOptions): Leadership {
  const { durationMs = 15_000, deadlineMs = 10_000, periodMs = 2_000 } = options;
  const controller = new AbortController();
  const { signal } = controller;
  const acquired = Promise.withResolvers<void>();
  const lost = Promise.withResolvers<void>();
  const place = { namespace: options.namespace, name: options.name };
  let renewedAtMs: number | undefined;
  let seen: { readonly version: string; readonly atMs: number } | undefined;

  const write = async (current: V1Lease | undefined): Promise<void> => {
    // Before the request: a slow answer must not make our hold look longer than others see it.
    const startedMs = performance.now();
    const now = microTime(Date.now());
    const ours = current?.spec?.holderIdentity === options.identity;
    const spec = {
      holderIdentity: options.identity,
      leaseDurationSeconds: Math.max(1, Math.round(durationMs / 1000)),
      acquireTime: ours ? (current?.spec?.acquireTime ?? now) : now,
      renewTime: now,
      leaseTransitions: (current?.spec?.leaseTransitions ?? 0) + (ours || current === undefined ? 0 : 1),
    };
    const lease = { apiVersion: 'coordination.k8s.io/v1', kind: 'Lease', metadata: { ...place, ...current?.metadata }, spec };
    if (current === undefined) await createObject(client, lease);
    else await client.request({ method: 'PUT', path: resourcePath(resources.leases, place), body: lease });
    renewedAtMs = startedMs;
    acquired.resolve();
  };

  const attempt = async (): Promise<void> => {
    let current: V1Lease | undefined;
    try {
      current = (await getObject(client, resources.leases, place)) as V1Lease;
    } catch (error) {
      if (!isNotFound(error)) throw error;
    }
    const holder = current?.spec?.holderIdentity ?? '';
    const version = current?.metadata?.resourceVersion ?? '';
    if (seen?.version !== version) seen = { version, atMs: performance.now() };
    const free = current === undefined || holder === '' || holder === options.identity;
    if (free || performance.now() - seen.atMs > durationMs) await write(current);
    else if (renewedAtMs !== undefined) throw new TakenOver(holder);
  };

  const run = async (): Promise<void> => {
    while (!signal.aborted) {
      try {
        await attempt();
      } catch (error) {
        if (error instanceof TakenOver) break;
        if (!isConflict(error)) options.onError(error);
      }
      if (renewedAtMs !== undefined && performance.now() - renewedAtMs > deadlineMs) break;
      await sleep(periodMs, signal);
    }
    if (signal.aborted || renewedAtMs === undefined) return;
    renewedAtMs = undefined;
    lost.resolve();
  };
  // A request that hangs must not hide a lost Lease.
  const watchdog = setInterval(
    () => {
      if (renewedAtMs === undefined || performance.now() - renewedAtMs <= deadlineMs) return;
      renewedAtMs = undefined;
      controller.abort();
      lost.resolve();
    },
    Math.min(1000, periodMs),
  );
  watchdog.unref();
  const running = run();

  return {
    acquired: acquired.promise,
    lost: lost.promise,
    isLeader: () => renewedAtMs !== undefined,
    renewedMsAgo: () => (renewedAtMs === undefined ? Number.POSITIVE_INFINITY : performance.now() - renewedAtMs),
    release: async () => {
      controller.abort();
      clearInterval(watchdog);
      await running;
      if (renewedAtMs === undefined) return;
      renewedAtMs = undefined;
      await giveAway(client, { ...place, identity: options.identity }).catch(options.onError);
    },
  };
}

class TakenOver extends Error {
  constructor(holder: string) {
    super(`the Lease is held by ${holder}`);
  }
}

async function giveAway(
  client: KubeClient,
  lease: { readonly namespace: string; readonly name: string; readonly identity: string },
): Promise<void> {
  const current = (await getObject(client, resources.leases, lease)) as V1Lease;
  if (current.spec?.holderIdentity !== lease.identity) return;
  const body = { ...current, spec: { ...current.spec, holderIdentity: '', leaseDurationSeconds: 1 } };
  await client.request({ method: 'PUT', path: resourcePath(resources.leases, lease), body });
}

/** The form of Lease and Event times: six digits of a second; a server refuses three. */
export function microTime(atMs: number): string {
  return new Date(atMs).toISOString().replace(/(\.\d{3})Z$/, '$1000Z');
}
