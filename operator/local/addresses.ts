/**
 * A block of loopback addresses for the nodes: 127.0.0.x with the same ports on each, x from 1 or the first block that is
 * free.
 *
 * Two clusters that start at the same moment must not choose the same block, so the supervisor holds a port of its own on
 * every address (one above the nodes' ports) as long as it lives. It takes orders there too.
 */
import { createServer, type Server } from 'node:http';
import net from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import type { OpenLakeCluster } from '../api/cluster.ts';

export type Reservation = {
  readonly addresses: readonly string[];
  readonly controlPort: number;
  /** Listening on every address. */
  readonly servers: readonly Server[];
};

/** Highest last octet that is tried: 127.0.0.255 is a broadcast address. */
const LAST = 254;
/** Walks over all addresses before giving up, and the longest pause between two. */
const ROUNDS = 6;
const PAUSE_MS = 300;

/** The supervisor's port. */
export function controlPort(network: OpenLakeCluster['spec']['network']): number {
  const highest = Math.max(network.s3Port, network.peerPort, network.adminPort);
  return highest < 65535 ? highest + 1 : Math.min(network.s3Port, network.peerPort, network.adminPort) - 1;
}

/**
 * Reserves `count` neighbouring addresses on which all ports are free; those of `preferred` if they still are.
 *
 * Throws when there is no such block.
 */
export async function reserveAddresses(
  count: number,
  options: { readonly network: OpenLakeCluster['spec']['network']; readonly preferred: readonly string[] },
): Promise<Reservation> {
  const { s3Port, peerPort, adminPort } = options.network;
  const ports = { control: controlPort(options.network), others: [s3Port, peerPort, adminPort] };
  const reserved = (addresses: readonly string[], servers: readonly Server[]): Reservation => ({
    addresses,
    controlPort: ports.control,
    servers,
  });
  if (options.preferred.length === count) {
    const block = await tryBlock(options.preferred, ports);
    if (block.kind === 'ok') return reserved(options.preferred, block.servers);
  }
  // Two that walk at the same moment may push each other past the end; after a pause of random length one is alone.
  let reason = '';
  for (let round = 0; round < ROUNDS; round += 1) {
    for (let first = 1; first + count - 1 <= LAST; ) {
      const addresses = Array.from({ length: count }, (_, index) => `127.0.0.${first + index}`);
      const block = await tryBlock(addresses, ports);
      if (block.kind === 'ok') return reserved(addresses, block.servers);
      reason = block.reason;
      first += block.index + 1;
    }
    await sleep(Math.random() * PAUSE_MS);
  }
  throw new Error(
    `Cannot find ${count} neighbouring addresses 127.0.0.x with ports ${ports.others.join(', ')} and ${ports.control} free (last tried: ${reason})`,
  );
}

type Block =
  | { readonly kind: 'ok'; readonly servers: readonly Server[] }
  | { readonly kind: 'taken'; readonly index: number; readonly reason: string };

async function tryBlock(
  addresses: readonly string[],
  ports: { readonly control: number; readonly others: readonly number[] },
): Promise<Block> {
  const servers: Server[] = [];
  for (const [index, address] of addresses.entries()) {
    const server = createServer();
    const reason = (await listen(server, address, ports.control)) ?? (await firstTaken(address, ports.others));
    if (reason === undefined) {
      servers.push(server);
      continue;
    }
    for (const held of [...servers, server]) held.close();
    return { kind: 'taken', index, reason };
  }
  return { kind: 'ok', servers };
}

async function firstTaken(address: string, ports: readonly number[]): Promise<string | undefined> {
  for (const port of ports) {
    const server = net.createServer();
    const reason = await listen(server, address, port);
    if (reason !== undefined) return reason;
    await new Promise((resolve) => server.close(resolve));
  }
  return undefined;
}

/** Undefined when it listens, else why not. */
function listen(server: net.Server, host: string, port: number): Promise<string | undefined> {
  return new Promise((resolve) => {
    server.once('error', (error) => resolve(error.message));
    server.listen({ host, port, exclusive: true }, () => resolve(undefined));
  });
}
