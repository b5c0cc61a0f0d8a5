/**
 * A small client of the Kubernetes API for the test bed: requests with a token, and watches that never give up.
 *
 * Deliberately not the operator's own client, so that a mistake there cannot hide itself here.
 */
import https from 'node:https';
import { setTimeout as sleep } from 'node:timers/promises';
import type { KubernetesObject } from '@kubernetes/client-node';

/** An object of any kind, for tests that look at single fields. */
// oxlint-disable-next-line typescript/no-explicit-any -- the API server's answer is what is under test, not its type
export type Json = { [key: string]: any };

export type Content = { readonly body: unknown; readonly type?: 'merge-patch' | 'apply-patch' | 'json' };

export type ApiAnswer<T> = { readonly status: number; readonly body: T /** Of a Status object, else empty. */; readonly message: string };

export type ApiClient = {
  readonly server: string;
  readonly ca: string;
  readonly token: string;
  /** One request; an answer of any status is an answer. Throws when there is none. */
  readonly request: <T = Json>(method: string, path: string, content?: Content) => Promise<ApiAnswer<T>>;
  /** As `request`, but throws for statuses from 300, naming what was tried; the body. */
  readonly must: <T = Json>(method: string, path: string, content?: Content) => Promise<T>;
};

const TYPES = {
  json: 'application/json',
  'merge-patch': 'application/merge-patch+json',
  'apply-patch': 'application/apply-patch+yaml',
} as const;

/** A client for the API server at `server`, as the owner of `token`. */
export function apiClient(access: { readonly server: string; readonly ca: string; readonly token: string }): ApiClient {
  const agent = new https.Agent({ keepAlive: true, ca: access.ca });
  const request = <T>(method: string, path: string, content?: Content): Promise<ApiAnswer<T>> =>
    new Promise((resolve, reject) => {
      const body = content === undefined ? undefined : JSON.stringify(content.body);
      const sent = https.request(
        `${access.server}${path}`,
        {
          method,
          agent,
          timeout: 30_000,
          headers: {
            authorization: `Bearer ${access.token}`,
            accept: 'application/json',
            ...(body === undefined ? {} : { 'content-type': TYPES[content?.type ?? 'json'], 'content-length': Buffer.byteLength(body) }),
          },
        },
        (response) => {
          const chunks: Buffer[] = [];
          response.on('data', (chunk: Buffer) => chunks.push(chunk));
          response.on('error', reject);
          response.on('end', () => {
            const found = parse(Buffer.concat(chunks).toString('utf8'));
            resolve({ status: response.statusCode ?? 0, body: found as T, message: (found as { message?: string }).message ?? '' });
          });
        },
      );
      sent.on('timeout', () => sent.destroy(new Error(`${method} ${path}: no answer within 30 s`)));
      sent.on('error', reject);
      sent.end(body);
    });
  const must = async <T>(method: string, path: string, content?: Content): Promise<T> => {
    const { status, body, message } = await request<T>(method, path, content);
    if (status >= 300) throw new Error(`${method} ${path} answers ${status}: ${message}`);
    return body;
  };
  return { ...access, request, must };
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return { message: text };
  }
}

/**
 * Follows a collection for ever: calls `onChange` with every object by key `namespace/name` after each change.
 * Any end of a watch (restart of the server, an expired version) leads to a new list.
 */
export function follow<T extends KubernetesObject>(
  client: ApiClient,
  options: {
    readonly path: string;
    /** Of list and watch alike, such as a label selector. */
    readonly query?: string;
    readonly onChange: (objects: ReadonlyMap<string, T>, changed: T | undefined) => void;
  },
): Disposable {
  const objects = new Map<string, T>();
  const stop = new AbortController();
  const query = options.query ?? '';
  const key = ({ metadata }: T): string => `${metadata?.namespace ?? ''}/${metadata?.name}`;
  void (async () => {
    while (!stop.signal.aborted) {
      try {
        const list = await client.must<{ metadata: { resourceVersion: string }; items: T[] }>('GET', `${options.path}?${query}`);
        objects.clear();
        for (const item of list.items) objects.set(key(item), item);
        options.onChange(objects, undefined);
        await watchOnce(client, {
          path: `${options.path}?${query}&watch=true&allowWatchBookmarks=true&resourceVersion=${list.metadata.resourceVersion}`,
          signal: stop.signal,
          onEvent: (event) => {
            if (event.type === 'BOOKMARK' || event.type === 'ERROR') return;
            const object = event.object as T;
            if (event.type === 'DELETED') objects.delete(key(object));
            else objects.set(key(object), object);
            options.onChange(objects, object);
          },
        });
      } catch {
        // The server is away or refuses: ask again.
      }
      await sleep(200, undefined, { signal: stop.signal }).catch(() => undefined);
    }
  })();
  return { [Symbol.dispose]: () => stop.abort() };
}

type WatchEvent = { readonly type?: string; readonly object: unknown };

/** One watch request until it ends. */
function watchOnce(
  client: ApiClient,
  options: {
    readonly path: string;
    readonly signal: AbortSignal;
    readonly onEvent: (event: WatchEvent) => void;
  },
): Promise<void> {
  return new Promise((resolve) => {
    const request = https.get(
      `${client.server}${options.path}`,
      { ca: client.ca, agent: false, signal: options.signal, timeout: 90_000, headers: { authorization: `Bearer ${client.token}` } },
      (response) => {
        let rest = '';
        response.setEncoding('utf8');
        response.on('data', (chunk: string) => {
          const lines = (rest + chunk).split('\n');
          rest = lines.pop() ?? '';
          for (const line of lines) {
            const event = parse(line) as WatchEvent;
            if (event.type === 'ERROR') request.destroy();
            else if (event.type !== undefined) options.onEvent(event);
          }
        });
        response.on('close', resolve);
        response.on('error', () => resolve());
      },
    );
    request.on('timeout', () => request.destroy());
    request.on('error', () => resolve());
  });
}
