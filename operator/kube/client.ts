/**
 * Requests to the API server: JSON in, JSON out, and lines of a watch.
 *
 * KubeConfig of @kubernetes/client-node supplies server, trust and credentials (tokens are read again as they rotate).
 * The requests are our own, because the library's generated calls choose patch types and time limits that harm an
 * operator: json-patch for server-side apply, and watches that end after 30 silent seconds.
 */
import http from 'node:http';
import https from 'node:https';
import type { KubeConfig } from '@kubernetes/client-node';
import { ApiError, ConnectionError } from './errors.ts';

export type Query = Readonly<Record<string, string | number | boolean | undefined>>;

export type ApiRequest = {
  readonly method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  readonly path: string;
  readonly query?: Query;
  readonly body?: unknown;
  readonly contentType?: string;
  readonly signal?: AbortSignal;
};

export type KubeClient = {
  /** The parsed answer. Throws ApiError or ConnectionError. */
  readonly request: (request: ApiRequest) => Promise<unknown>;
  /**
   * Opens a watch and resolves when it ends in order. Each line is given as parsed JSON. Ends with ConnectionError when
   * nothing at all arrives for `silenceMs`: a half-open connection looks just like a quiet one.
   */
  readonly stream: (request: ApiRequest, watch: { readonly silenceMs: number; readonly onLine: (line: unknown) => void }) => Promise<void>;
  /** How far the API server's clock is ahead of ours; 0 where they differ by what an answer's way may take. */
  readonly clockOffsetMs: () => number;
  readonly close: () => void;
};

/** Longer than any request that is not a watch should take. */
const REQUEST_TIMEOUT_MS = 30_000;
/** Answers carry whole seconds, and take a while. */
const CLOCK_TOLERANCE_MS = 3_000;
/** A list page of 500 objects is a few MiB; a single line of a watch at most 3 MiB. */
const MAXIMUM_BODY_BYTES = 256 * 1024 * 1024;

/** A client of the kubeconfig's current cluster; `nowMs` is our clock. */
export function createClient(config: KubeConfig, nowMs: () => number = Date.now): KubeClient {
  const server = config.getCurrentCluster()?.server;
  if (server === undefined) throw new Error('Cannot connect: the kubeconfig has no current cluster');
  const base = new URL(server);
  const secure = base.protocol === 'https:';
  const agents = new Map<string, http.Agent>();
  let offsetMs = 0;

  const open = async (request: ApiRequest, silenceMs: number): Promise<http.IncomingMessage> => {
    const action = describe(request);
    const options: https.RequestOptions = {};
    // Credentials never travel in plain text.
    if (secure) await config.applyToHTTPSOptions(options);
    const agent = agentFor(agents, { secure, options });
    const body = request.body === undefined ? undefined : Buffer.from(JSON.stringify(request.body));
    const url = new URL(`${base.pathname.replace(/\/$/, '')}${request.path}${encodeQuery(request.query)}`, base);
    return await new Promise((resolve, reject) => {
      const outgoing = (secure ? https : http).request(url, {
        method: request.method,
        agent,
        ...(options.auth === undefined ? {} : { auth: options.auth }),
        ...(request.signal === undefined ? {} : { signal: request.signal }),
        headers: {
          ...(options.headers as http.OutgoingHttpHeaders | undefined),
          accept: 'application/json',
          'user-agent': 'openlake-operator',
          ...(body === undefined ? {} : { 'content-type': request.contentType ?? 'application/json', 'content-length': body.length }),
        },
      });
      let answer: http.IncomingMessage | undefined;
      outgoing.setTimeout(silenceMs, () => (answer ?? outgoing).destroy(new Error(`nothing arrived for ${silenceMs / 1000} s`)));
      outgoing.once('error', (error) => reject(new ConnectionError(action, error)));
      outgoing.once('response', (response) => {
        answer = response;
        const ahead = Date.parse(response.headers.date ?? '') - nowMs();
        if (Number.isFinite(ahead)) offsetMs = Math.abs(ahead) > CLOCK_TOLERANCE_MS ? ahead : 0;
        resolve(response);
      });
      outgoing.end(body);
    });
  };

  return {
    request: async (request) => {
      const response = await open(request, REQUEST_TIMEOUT_MS);
      const text = await readBody(response, request);
      if ((response.statusCode ?? 0) >= 300) throw asApiError(request, { response, text });
      return text === '' ? undefined : parseJson(text, request);
    },
    stream: async (request, watch) => {
      const response = await open(request, watch.silenceMs);
      if ((response.statusCode ?? 0) >= 300) throw asApiError(request, { response, text: await readBody(response, request) });
      let rest = '';
      response.setEncoding('utf8');
      try {
        for await (const chunk of response) {
          rest += chunk as string;
          const lines = rest.split('\n');
          rest = lines.pop() ?? '';
          for (const line of lines) if (line.trim() !== '') watch.onLine(parseJson(line, request));
        }
      } catch (error) {
        if (error instanceof ApiError) throw error;
        throw new ConnectionError(describe(request), error);
      }
    },
    clockOffsetMs: () => offsetMs,
    close: () => {
      for (const agent of agents.values()) agent.destroy();
    },
  };
}

/** One agent per set of certificates: connections are kept, and rotated certificates get a new one. */
function agentFor(agents: Map<string, http.Agent>, from: { readonly secure: boolean; readonly options: https.RequestOptions }): http.Agent {
  const { ca, cert, key, rejectUnauthorized, servername } = from.options;
  const name = JSON.stringify([ca, cert, key, rejectUnauthorized, servername]);
  let agent = agents.get(name);
  if (agent === undefined) {
    for (const old of agents.values()) old.destroy();
    agents.clear();
    const tls = Object.fromEntries(
      Object.entries({ ca, cert, key, rejectUnauthorized, servername }).filter(([, value]) => value !== undefined),
    );
    agent = from.secure ? new https.Agent({ keepAlive: true, ...tls }) : new http.Agent({ keepAlive: true });
    agents.set(name, agent);
  }
  return agent;
}

async function readBody(response: http.IncomingMessage, request: ApiRequest): Promise<string> {
  const chunks: Buffer[] = [];
  let length = 0;
  try {
    for await (const chunk of response) {
      chunks.push(chunk as Buffer);
      length += (chunk as Buffer).length;
      if (length > MAXIMUM_BODY_BYTES) throw new Error(`the answer is longer than ${MAXIMUM_BODY_BYTES} bytes`);
    }
  } catch (error) {
    throw new ConnectionError(describe(request), error);
  }
  return Buffer.concat(chunks).toString('utf8');
}

function asApiError(request: ApiRequest, answer: { readonly response: http.IncomingMessage; readonly text: string }): ApiError {
  const status = answer.response.statusCode ?? 0;
  const retryAfter = Number(answer.response.headers['retry-after']);
  let body: { reason?: string; message?: string } = {};
  try {
    body = JSON.parse(answer.text) as typeof body;
  } catch {
    // Proxies and a starting server answer plain text.
  }
  return new ApiError({
    status,
    reason: body.reason ?? http.STATUS_CODES[status] ?? '',
    message: body.message ?? answer.text.slice(0, 300),
    action: describe(request),
    retryAfterMs: Number.isFinite(retryAfter) ? retryAfter * 1000 : undefined,
  });
}

function parseJson(text: string, request: ApiRequest): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw new ConnectionError(describe(request), new Error(`the answer is not JSON: ${text.slice(0, 80)}`));
  }
}

/** `PATCH daemonsets openlake/lake-p0`, without the API's own prefixes. */
function describe(request: ApiRequest): string {
  const parts = request.path.replace(/^\/(api|apis\/[^/]+)\/[^/]+\//, '').split('/');
  if (parts[0] !== 'namespaces' || parts.length < 3) return `${request.method} ${parts.join(' ')}`;
  const [, namespace, plural, name, ...rest] = parts;
  return [request.method, plural, name === undefined ? `in ${namespace}` : `${namespace}/${name}`, ...rest].join(' ');
}

function encodeQuery(query: Query | undefined): string {
  const entries = Object.entries(query ?? {}).filter((entry): entry is [string, string | number | boolean] => entry[1] !== undefined);
  return entries.length === 0 ? '' : `?${new URLSearchParams(entries.map(([key, value]) => [key, String(value)])).toString()}`;
}
