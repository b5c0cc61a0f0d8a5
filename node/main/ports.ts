/**
 * Whether an address can be listened on, asked before the data plane does.
 *
 * The data cores share their ports among themselves, and the kernel would let a second process of the same user share them
 * too: half of the requests would go to another cluster. An exclusive listener in their place tells.
 */
import { once } from 'node:events';
import { createServer } from 'node:net';
import { splitEndpoint } from '../config/check.ts';

/** Rejects with what could not be served where and why. */
export async function checkPortIsFree(purpose: string, endpoint: string): Promise<void> {
  const place = splitEndpoint(endpoint);
  const server = createServer();
  try {
    server.listen({ host: place?.address, port: place?.port, exclusive: true });
    await once(server, 'listening');
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new Error(`Cannot serve ${purpose} on ${endpoint}: ${reason}`, { cause: error });
  }
  server.close();
  await once(server, 'close');
}
