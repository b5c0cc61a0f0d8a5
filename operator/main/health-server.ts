/** /healthz, /readyz and /metrics of the operator, for its own probes and a scraper. */
import http from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Registry } from 'prom-client';

export type HealthServer = { readonly address: string; readonly close: () => void };

/** Listens; `ready` says why not, or undefined. A stand-by is ready too. */
export async function startHealthServer(
  listen: { readonly host: string; readonly port: number },
  from: { readonly registry: Registry; readonly ready: () => string | undefined },
): Promise<HealthServer> {
  const server = http.createServer((request, response) => {
    const reply = (status: number, text: string, type = 'text/plain'): void => {
      response.writeHead(status, { 'content-type': type }).end(text);
    };
    const path = request.url?.split('?')[0];
    if (path === '/healthz') return reply(200, 'alive\n');
    if (path === '/readyz') {
      const reason = from.ready();
      return reply(reason === undefined ? 200 : 503, `${reason ?? 'ready'}\n`);
    }
    if (path !== '/metrics') return reply(404, 'not found\n');
    void from.registry.metrics().then(
      (text) => reply(200, text, from.registry.contentType),
      (error: unknown) => reply(500, `${String(error)}\n`),
    );
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(listen.port, listen.host, resolve);
  });
  const { address, port } = server.address() as AddressInfo;
  return {
    address: `${address}:${port}`,
    close: () => {
      server.closeAllConnections();
      server.close();
    },
  };
}
