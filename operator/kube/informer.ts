/**
 * A local copy of all objects of one kind, kept up to date: list once, then watch from there.
 *
 *     list (pages) -> watch from its resourceVersion -> the server ends it after minutes -> watch again from the last version
 *                  ^--------- 410: too old, list again ---------'   error: back off, watch again   silence for 90 s: as error
 *
 * Bookmarks carry the version forward while nothing changes, so that a quiet watch does not become too old. Handlers get
 * the object before and after, and must only note work: what they throw would be lost, so it is reported as an error.
 */
import type { KubernetesListObject, KubernetesObject } from '@kubernetes/client-node';
import { createBackOff, sleep } from './back-off.ts';
import type { KubeClient } from './client.ts';
import { ApiError, isExpired } from './errors.ts';
import { type Resource, resourcePath } from './resources.ts';

/** The API server sends bookmarks about once a minute; this is one missed and half of the next. */
const SILENCE_MS = 90_000;
/** How long a watch may last; the server ends it, we start the next. */
const WATCH_SECONDS = 300;
const PAGE_SIZE = 500;

export type Change<T> = { readonly before: T | undefined; readonly after: T | undefined };

export type InformerOptions<T> = {
  readonly resource: Resource;
  readonly namespace?: string | undefined;
  readonly labelSelector?: string | undefined;
  readonly onChange: (change: Change<T>) => void;
  readonly onError: (error: unknown) => void;
  readonly silenceMs?: number;
  /** First wait after an error. */
  readonly firstRetryMs?: number;
};

export type Informer<T> = {
  /** True once the first list is complete. */
  readonly hasSynced: () => boolean;
  readonly synced: Promise<void>;
  readonly get: (name: string) => T | undefined;
  readonly list: () => readonly T[];
  readonly stop: () => Promise<void>;
};

type WatchLine<T> = { readonly type: 'ADDED' | 'MODIFIED' | 'DELETED' | 'BOOKMARK' | 'ERROR'; readonly object: T };

/** Starts an informer; it runs until `stop`. */
export function startInformer<T extends KubernetesObject>(client: KubeClient, options: InformerOptions<T>): Informer<T> {
  const objects = new Map<string, T>();
  const controller = new AbortController();
  const { signal } = controller;
  const path = resourcePath(options.resource, { namespace: options.namespace });
  const backOff = createBackOff({ firstMs: options.firstRetryMs ?? 500, maximumMs: 30_000 });
  const { promise: synced, resolve: markSynced } = Promise.withResolvers<void>();
  let isSynced = false;

  const note = (change: Change<T>): void => {
    try {
      options.onChange(change);
    } catch (error) {
      options.onError(error);
    }
  };

  const list = async (): Promise<string> => {
    const seen = new Map<string, T>();
    let version = '';
    for (let from: string | undefined = ''; from !== undefined; ) {
      const query = { limit: PAGE_SIZE, continue: from === '' ? undefined : from, labelSelector: options.labelSelector };
      const page = (await client.request({ method: 'GET', path, query, signal })) as KubernetesListObject<T>;
      // Items of built-in kinds come without their own apiVersion and kind.
      const { apiVersion, kind } = options.resource;
      for (const item of page.items) seen.set(nameOf(item), { ...item, apiVersion, kind });
      version = page.metadata?.resourceVersion ?? '';
      // The library's type names it otherwise, as continue is a word of the language.
      const next: string | undefined = (page.metadata as { continue?: string } | undefined)?.continue;
      from = next === undefined || next === '' ? undefined : next;
    }
    for (const [name, before] of objects) {
      if (seen.has(name)) continue;
      objects.delete(name);
      note({ before, after: undefined });
    }
    for (const [name, after] of seen) {
      const before = objects.get(name);
      objects.set(name, after);
      if (before?.metadata?.resourceVersion !== after.metadata?.resourceVersion) note({ before, after });
    }
    isSynced = true;
    markSynced();
    return version;
  };

  /** Watches once; returns the version to go on from. */
  const watch = async (from: string): Promise<string> => {
    let version = from;
    const timeoutSeconds = WATCH_SECONDS + Math.floor(Math.random() * 30);
    const query = { watch: true, allowWatchBookmarks: true, resourceVersion: from, timeoutSeconds, labelSelector: options.labelSelector };
    try {
      await client.stream(
        { method: 'GET', path, query, signal },
        {
          silenceMs: options.silenceMs ?? SILENCE_MS,
          onLine: (line) => {
            const { type, object } = line as WatchLine<T>;
            if (type === 'ERROR') throw asError(object, path);
            version = object.metadata?.resourceVersion ?? version;
            backOff.reset();
            if (type !== 'BOOKMARK') store(type, object);
          },
        },
      );
    } catch (error) {
      if (isExpired(error)) throw error;
      throw new WatchBroken(version, error);
    }
    return version;
  };

  const store = (type: 'ADDED' | 'MODIFIED' | 'DELETED', object: T): void => {
    const name = nameOf(object);
    const before = objects.get(name);
    if (type === 'DELETED') objects.delete(name);
    else objects.set(name, object);
    note({ before: before ?? (type === 'DELETED' ? object : undefined), after: type === 'DELETED' ? undefined : object });
  };

  const run = async (): Promise<void> => {
    let version: string | undefined;
    while (!signal.aborted) {
      try {
        version = version === undefined ? await list() : await watch(version);
      } catch (error) {
        if (signal.aborted) return;
        const cause = error instanceof WatchBroken ? error.cause : error;
        version = error instanceof WatchBroken ? error.version : undefined;
        if (!isExpired(cause)) options.onError(cause);
        const asked = cause instanceof ApiError ? (cause.retryAfterMs ?? 0) : 0;
        await sleep(Math.max(backOff.next(), asked), signal);
      }
    }
  };
  const running = run();

  return {
    hasSynced: () => isSynced,
    synced,
    get: (name) => objects.get(name),
    list: () => [...objects.values()],
    stop: () => {
      controller.abort();
      return running;
    },
  };
}

/** A watch that ended in an error, and the version it had reached. */
class WatchBroken extends Error {
  readonly version: string;

  constructor(version: string, cause: unknown) {
    super('the watch broke', { cause });
    this.version = version;
  }
}

function asError(status: unknown, path: string): ApiError {
  const { code, reason, message } = status as { code?: number; reason?: string; message?: string };
  return new ApiError({ status: code ?? 500, reason: reason ?? '', message: message ?? '', action: `watch ${path}` });
}

function nameOf(object: KubernetesObject): string {
  return object.metadata?.name ?? '';
}
