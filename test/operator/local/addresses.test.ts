/** Address blocks: free, neighbouring, never shared by two clusters. */
import assert from 'node:assert/strict';
import net from 'node:net';
import { after, test } from 'node:test';
import { type Reservation, reserveAddresses } from '../../../operator/local/addresses.ts';

/** Ports that nobody else uses, so that the tests may run beside a cluster. */
const network = { host: true, s3Port: 19_400, peerPort: 19_401, adminPort: 19_402 };
const held: { close: () => void }[] = [];
after(() => {
  for (const server of held) server.close();
});

async function reserve(count: number, preferred: readonly string[] = []): Promise<Reservation> {
  const reservation = await reserveAddresses(count, { network, preferred });
  held.push(...reservation.servers);
  return reservation;
}

test('blocks reserved at the same moment are neighbouring and disjoint', async () => {
  const blocks = await Promise.all([reserve(4), reserve(4), reserve(3)]);
  const all = blocks.flatMap((block) => block.addresses);
  assert.equal(new Set(all).size, 11);
  for (const { addresses } of blocks) {
    const octets = addresses.map((address) => Number(address.split('.')[3]));
    assert.deepEqual(
      octets,
      octets.map((_, index) => (octets[0] ?? 0) + index),
    );
  }
});

test('the addresses of the last time are taken again while they are free', async () => {
  const first = await reserve(2, ['127.0.0.101', '127.0.0.102']);
  assert.deepEqual(first.addresses, ['127.0.0.101', '127.0.0.102']);
  const second = await reserve(2, ['127.0.0.102', '127.0.0.103']);
  assert.notDeepEqual(second.addresses, ['127.0.0.102', '127.0.0.103']);
});

test('an address with a used port is passed over', async () => {
  const server = net.createServer();
  await new Promise<void>((resolve) => server.listen(network.peerPort, '127.0.0.111', resolve));
  held.push(server);
  const { addresses } = await reserve(1, ['127.0.0.111']);
  assert.notEqual(addresses[0], '127.0.0.111');
});

test('a block that does not exist is refused with the ports and the last reason', async () => {
  const server = net.createServer();
  await new Promise<void>((resolve) => server.listen(19_410, '0.0.0.0', resolve));
  held.push(server);
  await assert.rejects(
    reserveAddresses(2, { network: { host: true, s3Port: 19_410, peerPort: 19_411, adminPort: 19_412 }, preferred: [] }),
    /Cannot find 2 neighbouring addresses 127\.0\.0\.x with ports 19410, 19411, 19412 and 19413 free \(last tried: .*EADDRINUSE.*19410\)/,
  );
});
