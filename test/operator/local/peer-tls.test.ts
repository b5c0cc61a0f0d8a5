/** A local cluster whose resource asks for TLS between nodes: folders stand for its Secrets. */
import assert from 'node:assert/strict';
import { mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { parseNodeConfig } from '../../../node/config/load.ts';
import { readPeerTls } from '../../../node/config/peer-tls.ts';
import { Authority } from '../../certificates.ts';
import { directory, openlake } from './openlake.ts';

test('without the folder it says where it looks; with it, nodes get their certificates in files', {
  concurrency: false,
}, async (context) => {
  const { data, file } = directory(context, ({ spec }) =>
    Object.assign(spec, { tls: { peer: { mode: 'Require', secretRef: { name: 'lake-tls' } } } }),
  );
  const refused = await openlake('up', '--file', file, '--data', data);
  assert.equal(refused.code, 1);
  assert.match(refused.errors, /Cannot start: Secret default\/lake-tls does not exist/);
  const secret = path.join(data, 'secrets/lake-tls');
  assert.ok(refused.errors.includes(`lake-tls is the folder ${secret}, with one file for each key`), refused.errors);

  const authority = new Authority(path.dirname(data), 'ours');
  const place = (): void => {
    const { certificate, key } = authority.issue({ names: 'DNS:sample-nodes.default.svc' });
    mkdirSync(secret, { recursive: true });
    for (const [name, text] of Object.entries({ 'tls.crt': certificate, 'tls.key': key, 'ca.crt': authority.pem }))
      writeFileSync(path.join(secret, name), text);
  };
  const folder = path.join(data, 'p0-1/config');
  const peerTls = (): ReturnType<typeof readPeerTls> => {
    const parsed = parseNodeConfig(readFileSync(path.join(folder, 'p0-1.toml'), 'utf8'));
    assert.ok(parsed.kind === 'ok');
    assert.equal(parsed.config.peer_tls?.mode, 'require');
    return readPeerTls(parsed.config);
  };
  place();
  const up = await openlake('up', '--file', file, '--data', data, '--detach');
  assert.equal(up.code, 0, up.errors);
  const first = peerTls();
  assert.ok(first.kind === 'ok' && first.tls?.required, JSON.stringify(first));
  for (const name of readdirSync(folder)) assert.equal(statSync(path.join(folder, name)).mode & 0o777, 0o600, name);
  await openlake('down', '--data', data);

  place();
  assert.equal((await openlake('up', '--data', data, '--detach')).code, 0);
  const second = peerTls();
  assert.ok(second.kind === 'ok' && second.tls?.key !== first.tls.key, 'the next start takes the renewed one');
  assert.equal(readdirSync(folder).length, 4, 'and keeps no old one');
});
