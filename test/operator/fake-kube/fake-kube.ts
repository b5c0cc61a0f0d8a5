/**
 * An API server in this process, with as much of one as the operator uses: list in pages, watch with bookmarks, create,
 * replace, apply, merge, status, delete; and the faults that a test asks for: 410, 409, 429, dead connections.
 *
 * Apply replaces what the object has, which is enough while one manager writes; the real rules are tested on a real server.
 */
import http from 'node:http';
import type { AddressInfo } from 'node:net';
import { KubeConfig } from '@kubernetes/client-node';
import { definedSchema, OPENAPI_PATH } from '../../../operator/main/crd-check.ts';
import { type Place, Refused, Store, type Stored, type WatchEvent } from './store.ts';

type Fault = {
  readonly status: number;
  readonly reason: string;
  readonly retryAfterSeconds?: number;
  readonly matches: (request: string) => boolean;
  times: number;
};

export type FakeKube = AsyncDisposable & {
  readonly config: KubeConfig;
  readonly store: Store;
  /** `METHOD /path?query` of every request so far. */
  readonly requests: readonly string[];
  /** The next `times` requests whose text contains `part` get this answer. */
  readonly fail: (
    part: string,
    fault: { readonly status: number; readonly reason: string; readonly retryAfterSeconds?: number; readonly times: number },
  ) => void;
  /** After this many more writes, Leases and Events not counted, nothing is answered any more until `mend`. */
  readonly cutAfter: (writes: number) => void;
  readonly isCut: () => boolean;
  readonly mend: () => void;
  /** Writes so far, Leases and Events not counted. */
  readonly writes: () => number;
  /** Publishes this schema of the resource; undefined: the definition is not installed. */
  readonly serveDefinition: (schema: object | undefined) => void;
  /** Watches stay open and say nothing any more, as after a cut cable. */
  readonly silenceWatches: () => void;
  /** Ends all watches in order. */
  readonly endWatches: () => void;
  /** Sends a bookmark with the newest version to all watches. */
  readonly bookmark: () => void;
  readonly watches: () => number;
};

type Watcher = { readonly collection: string; readonly selector: string; readonly response: http.ServerResponse; silent: boolean };

export async function startFakeKube(): Promise<FakeKube> {
  const store = new Store();
  const requests: string[] = [];
  const faults: Fault[] = [];
  const watchers = new Set<Watcher>();
  let writes = 0;
  let cutAt = Number.POSITIVE_INFINITY;

  store.onEvent((collection, event) => {
    for (const watcher of watchers) if (watcher.collection === collection && fits(event.object, watcher.selector)) send(watcher, event);
  });

  const server = http.createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      const text = `${request.method} ${request.url}`;
      if (writes >= cutAt) {
        request.socket.destroy();
        return;
      }
      requests.push(text);
      if (request.method !== 'GET' && !/\/(leases|events)\b/.test(text)) writes += 1;
      try {
        const fault = faults.find((candidate) => candidate.times > 0 && candidate.matches(text));
        if (fault !== undefined) {
          fault.times -= 1;
          if (fault.retryAfterSeconds !== undefined) response.setHeader('retry-after', fault.retryAfterSeconds);
          throw new Refused(fault.status, fault.reason, 'as the test asked for');
        }
        const body = chunks.length === 0 ? undefined : (JSON.parse(Buffer.concat(chunks).toString()) as Stored);
        handle({ method: request.method ?? '', url: new URL(request.url ?? '', 'http://fake'), body, response });
      } catch (error) {
        const refused = error instanceof Refused ? error : new Refused(500, 'InternalError', String(error));
        reply(response, refused.status, { kind: 'Status', code: refused.status, reason: refused.reason, message: refused.message });
      }
    });
  });

  let definition: object | undefined = { components: { schemas: { cluster: definedSchema() } } };

  const handle = (call: {
    readonly method: string;
    readonly url: URL;
    readonly body: Stored | undefined;
    readonly response: http.ServerResponse;
  }): void => {
    const { method, url, body, response } = call;
    if (url.pathname === OPENAPI_PATH && definition !== undefined) return reply(response, 200, definition);
    const { collection, name, part } = parsePath(url.pathname);
    if (method === 'GET' && name === undefined) {
      if (url.searchParams.get('watch') === 'true') return startWatch(collection, { url, response });
      return reply(response, 200, listPage(collection, url));
    }
    if (method === 'POST') {
      const generated = body?.metadata?.generateName === undefined ? undefined : `${body.metadata.generateName}${store.version}`;
      const place = { collection, name: body?.metadata?.name ?? generated ?? '' };
      const object = { ...body, metadata: { ...body?.metadata, name: place.name, namespace: namespaceOf(collection) } } as Stored;
      return reply(response, 201, store.put(place, object, { create: true }));
    }
    return handleOne({ collection, name: name ?? '' }, { method, part, body, response, isApply: url.searchParams.get('force') === 'true' });
  };

  const handleOne = (
    place: Place,
    call: {
      readonly method: string;
      readonly part: string | undefined;
      readonly body: Stored | undefined;
      readonly response: http.ServerResponse;
      readonly isApply: boolean;
    },
  ): void => {
    const { method, part, body, response } = call;
    const current = store.get(place);
    if (method === 'DELETE') {
      store.remove(place, (body as { preconditions?: { uid?: string } } | undefined)?.preconditions?.uid);
      return reply(response, 200, { kind: 'Status', status: 'Success' });
    }
    const creates = method === 'PATCH' && part === undefined && call.isApply;
    if (current === undefined && !creates) throw new Refused(404, 'NotFound', `${place.name} does not exist`);
    if (method === 'GET') return reply(response, 200, current);
    const expected = body?.metadata?.resourceVersion;
    const by = expected === undefined || expected === '' ? {} : { expected };
    const metadata = { ...current?.metadata, ...body?.metadata, name: place.name, namespace: namespaceOf(place.collection) };
    const { status } = current ?? {};
    const changed = part === 'status' ? { ...current, status: body?.status } : { ...current, ...body, metadata, status };
    reply(response, 200, store.put(place, changed as Stored, by));
  };

  const listPage = (collection: string, url: URL): object => {
    const all = store.list(collection).filter((object) => fits(object, url.searchParams.get('labelSelector') ?? ''));
    const start = Number(url.searchParams.get('continue') ?? 0);
    const limit = Number(url.searchParams.get('limit') ?? all.length);
    const items = all.slice(start, start + limit);
    const more = start + limit < all.length ? { continue: String(start + limit) } : {};
    return { kind: 'List', metadata: { resourceVersion: String(store.version), ...more }, items };
  };

  const startWatch = (collection: string, from: { readonly url: URL; readonly response: http.ServerResponse }): void => {
    const version = Number(from.url.searchParams.get('resourceVersion'));
    const selector = from.url.searchParams.get('labelSelector') ?? '';
    from.response.writeHead(200, { 'content-type': 'application/json' });
    from.response.flushHeaders();
    if (version < store.compacted) {
      from.response.end(
        `${JSON.stringify({ type: 'ERROR', object: { kind: 'Status', code: 410, reason: 'Expired', message: 'too old' } })}\n`,
      );
      return;
    }
    const watcher: Watcher = { collection, selector, response: from.response, silent: false };
    for (const event of store.since(collection, version)) if (fits(event.object, selector)) send(watcher, event);
    watchers.add(watcher);
    from.response.on('close', () => watchers.delete(watcher));
  };

  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  const config = new KubeConfig();
  config.loadFromClusterAndUser({ name: 'fake', server: `http://127.0.0.1:${port}`, skipTLSVerify: true }, { name: 'test' });
  return {
    config,
    store,
    requests,
    fail: (part, fault) => void faults.push({ ...fault, matches: (text) => text.includes(part) }),
    cutAfter: (more) => {
      cutAt = writes + more;
    },
    isCut: () => writes >= cutAt,
    mend: () => {
      cutAt = Number.POSITIVE_INFINITY;
    },
    writes: () => writes,
    serveDefinition: (schema) => {
      definition = schema === undefined ? undefined : { components: { schemas: { cluster: schema } } };
    },
    silenceWatches: () => {
      for (const watcher of watchers) watcher.silent = true;
    },
    endWatches: () => {
      for (const watcher of watchers) watcher.response.end();
      watchers.clear();
    },
    bookmark: () => {
      const object = { metadata: { resourceVersion: String(store.version) } };
      for (const watcher of watchers) if (!watcher.silent) watcher.response.write(`${JSON.stringify({ type: 'BOOKMARK', object })}\n`);
    },
    watches: () => watchers.size,
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

function send(watcher: Watcher, event: WatchEvent): void {
  if (!watcher.silent) watcher.response.write(`${JSON.stringify({ type: event.type, object: event.object })}\n`);
}

function reply(response: http.ServerResponse, status: number, body: unknown): void {
  response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
}

/** `/apis/GROUP/VERSION/namespaces/NS/PLURAL/NAME/PART`: the collection without the name, the name, the part. */
function parsePath(path: string): { readonly collection: string; readonly name: string | undefined; readonly part: string | undefined } {
  const match = /^((?:\/api\/v1|\/apis\/[^/]+\/[^/]+)(?:\/namespaces\/[^/]+)?\/[^/]+)(?:\/([^/]+))?(?:\/([^/]+))?$/.exec(path);
  if (match?.[1] === undefined) throw new Refused(404, 'NotFound', path);
  return { collection: match[1], name: match[2], part: match[3] };
}

function namespaceOf(collection: string): string | undefined {
  return /\/namespaces\/([^/]+)\//.exec(collection)?.[1];
}

/** Equality selectors only. */
function fits(object: Stored, selector: string): boolean {
  return selector
    .split(',')
    .filter((term) => term !== '')
    .every((term) => {
      const [key = '', value] = term.split('=');
      return object.metadata?.labels?.[key] === value;
    });
}
