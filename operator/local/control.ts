/**
 * Orders to a running supervisor over HTTP on its own loopback port: stop or start one node.
 *
 *     POST /v1/pods/NAME/stop?signal=SIGKILL      POST /v1/pods/NAME/start        Authorization: Bearer ADMIN_TOKEN
 */
import { timingSafeEqual } from 'node:crypto';
import http from 'node:http';

export type ControlOrder =
  | { readonly kind: 'stop'; readonly name: string; readonly signal: NodeJS.Signals }
  | { readonly kind: 'start'; readonly name: string };

export type ControlReply = { readonly status: number; readonly message: string };

const SIGNALS: readonly string[] = ['SIGTERM', 'SIGKILL', 'SIGINT', 'SIGQUIT', 'SIGABRT'];

/** Answers orders on `server`; `obey` never throws. */
export function serveControl(
  server: http.Server,
  options: { readonly token: string; readonly obey: (order: ControlOrder) => Promise<ControlReply> },
): void {
  server.on('request', (request, response) => {
    request.resume();
    const answer = ({ status, message }: ControlReply): void => {
      response.writeHead(status, { 'content-type': 'application/json' });
      response.end(`${JSON.stringify({ message })}\n`);
    };
    if (!isAuthorized(request.headers.authorization, options.token)) return answer({ status: 401, message: 'expected the admin token' });
    const order = parseOrder(request.method, request.url ?? '');
    if (typeof order === 'string') return answer({ status: 400, message: order });
    void options.obey(order).then(answer);
  });
}

/** Sends an order to the supervisor at `address:port`. Throws when there is no answer. */
export function sendOrder(order: ControlOrder, supervisor: { readonly control: string; readonly token: string }): Promise<ControlReply> {
  const query = order.kind === 'stop' ? `?signal=${order.signal}` : '';
  return new Promise((resolve, reject) => {
    const request = http.request(
      `http://${supervisor.control}/v1/pods/${encodeURIComponent(order.name)}/${order.kind}${query}`,
      { method: 'POST', agent: false, headers: { authorization: `Bearer ${supervisor.token}` } },
      (response) => {
        let body = '';
        response.setEncoding('utf8');
        response.on('data', (chunk: string) => (body += chunk));
        response.on('end', () => resolve({ status: response.statusCode ?? 0, message: messageOf(body) }));
      },
    );
    request.on('error', reject);
    request.end();
  });
}

/** The order in a request line, or what is wrong with it. */
export function parseOrder(method: string | undefined, url: string): ControlOrder | string {
  const { pathname, searchParams } = new URL(url, 'http://supervisor');
  const match = /^\/v1\/pods\/([^/]+)\/(stop|start)$/.exec(pathname);
  if (method !== 'POST' || match === null) return `no order ${method} ${pathname}: expected POST /v1/pods/NAME/stop or /start`;
  const name = decodeURIComponent(match[1] ?? '');
  if (match[2] === 'start') return { kind: 'start', name };
  const signal = parseSignal(searchParams.get('signal') ?? 'SIGTERM');
  return signal === undefined
    ? `no signal ${searchParams.get('signal')}: expected one of ${SIGNALS.join(', ')}`
    : { kind: 'stop', name, signal };
}

/** KILL or SIGKILL as a signal; undefined for one that cannot be sent to a node. */
export function parseSignal(text: string): NodeJS.Signals | undefined {
  const name = text.toUpperCase().startsWith('SIG') ? text.toUpperCase() : `SIG${text.toUpperCase()}`;
  return SIGNALS.includes(name) ? (name as NodeJS.Signals) : undefined;
}

function isAuthorized(header: string | undefined, token: string): boolean {
  const given = Buffer.from(header ?? '');
  const expected = Buffer.from(`Bearer ${token}`);
  return given.length === expected.length && timingSafeEqual(given, expected);
}

function messageOf(body: string): string {
  try {
    return (JSON.parse(body) as { message?: string }).message ?? body;
  } catch {
    return body;
  }
}
