/**
 * What kube-proxy is on a node: a port that forwards each new connection to one of the ready pods of a Service.
 *
 * The Service's own selector is applied here: the real EndpointSlice controller refuses the loopback addresses of our pods.
 */
import net from 'node:net';
import type { V1Pod, V1Service } from '@kubernetes/client-node';
import { follow } from './api-client.ts';
import type { ControlPlane } from './control-plane.ts';

export type ServiceProxy = AsyncDisposable & {
  readonly url: string;
  /** Ready endpoints now, as `address:port`. */
  readonly endpoints: () => readonly string[];
};

/** Forwards to the Service's port of this name until it is disposed of. */
export async function proxyService(
  plane: ControlPlane,
  service: { readonly namespace: string; readonly name: string; readonly port: string },
): Promise<ServiceProxy> {
  const place = `/api/v1/namespaces/${service.namespace}`;
  const { spec } = await plane.admin.must<V1Service>('GET', `${place}/services/${service.name}`);
  const port = spec?.ports?.find(({ name }) => name === service.port)?.targetPort;
  if (port === undefined || spec?.selector === undefined)
    throw new Error(`Service ${service.name} has no port ${service.port} or no selector`);
  const selector = Object.entries(spec.selector).map(([key, value]) => `${key}=${value}`);
  let endpoints: readonly string[] = [];
  const watch = follow<V1Pod>(plane.admin, {
    path: `${place}/pods`,
    query: `labelSelector=${encodeURIComponent(selector.join(','))}`,
    onChange: (pods) => {
      endpoints = [...pods.values()].filter(isReady).map((pod) => `${pod.status?.podIP}:${portOf(pod, port)}`);
    },
  });
  let turn = 0;
  const sockets = new Set<net.Socket>();
  const server = net.createServer((client) => {
    turn += 1;
    const [host, number] = (endpoints[turn % Math.max(1, endpoints.length)] ?? '').split(':');
    if (host === undefined || number === undefined) {
      client.destroy();
      return;
    }
    const upstream = net.connect(Number(number), host);
    for (const socket of [client, upstream]) {
      sockets.add(socket);
      socket.on('error', () => undefined);
      socket.on('close', () => {
        sockets.delete(socket);
        client.destroy();
        upstream.destroy();
      });
    }
    client.pipe(upstream).pipe(client);
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(0, '127.0.0.1', resolve);
  });
  const address = server.address() as net.AddressInfo;
  return {
    url: `http://127.0.0.1:${address.port}`,
    endpoints: () => endpoints,
    [Symbol.asyncDispose]: async () => {
      watch[Symbol.dispose]();
      server.close();
      for (const socket of sockets) socket.destroy();
    },
  };
}

/** The number of a port, which a Service may name. */
function portOf({ spec }: V1Pod, port: string | number): number | undefined {
  if (typeof port === 'number') return port;
  return spec?.containers.flatMap(({ ports }) => ports ?? []).find(({ name }) => name === port)?.containerPort;
}

/** Serving, and not on its way out. */
function isReady({ metadata, status }: V1Pod): boolean {
  return (
    metadata?.deletionTimestamp === undefined &&
    (status?.conditions ?? []).some(({ type, status: value }) => type === 'Ready' && value === 'True')
  );
}
