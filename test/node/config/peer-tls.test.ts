/** Certificates of nodes: what is accepted, how every mistake is named, and that new content is noticed. */
import assert from 'node:assert/strict';
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, test } from 'node:test';
import { describeProblem } from '../../../node/config/check.ts';
import { parseNodeConfig } from '../../../node/config/load.ts';
import { readPeerTls } from '../../../node/config/peer-tls.ts';
import { compareConfigs } from '../../../node/config/reload.ts';
import { renderNodeConfig } from '../../../node/config/render.ts';
import type { NodeConfig, PeerTlsConfig } from '../../../node/config/schema.ts';
import { watchConfigFile } from '../../../node/config/watch.ts';
import { Authority, type CertificateWish, EXPIRED, placeCertificate } from '../../certificates.ts';
import { writeAtomically } from '../../kube/pod-mounts.ts';
import { sampleConfig } from './sample-config.ts';

const folder = mkdtempSync(path.join(tmpdir(), 'openlake-peer-tls-'));
after(() => rmSync(folder, { recursive: true, force: true }));
const ours = new Authority(folder, 'ours');
const other = new Authority(folder, 'other');
/** The address of the sample's node. */
const HERE: CertificateWish = { names: 'IP:10.0.0.1' };

function withTls(peer_tls: PeerTlsConfig): NodeConfig {
  return { ...sampleConfig(), peer_tls };
}

type Change = {
  readonly parts?: Partial<Record<'certificate' | 'key' | 'authority', string>>;
  readonly name?: string;
};

function problemsOf(wish: CertificateWish, change: Change = {}): readonly string[] {
  const files = placeCertificate(folder, { ...ours.issue(wish), authority: ours.pem, ...change.parts });
  const read = readPeerTls(withTls({ mode: 'require', ...files, ...(change.name === undefined ? {} : { name: change.name }) }));
  return read.kind === 'ok' ? [] : read.problems.map((problem) => describeProblem(problem).replaceAll(`${folder}/`, ''));
}

const ec = (curve: string): readonly string[] => ['-algorithm', 'EC', '-pkeyopt', `ec_paramgen_curve:${curve}`];
const rsa = (bits: number): readonly string[] => ['-algorithm', 'RSA', '-pkeyopt', `rsa_keygen_bits:${bits}`];

test('without the table there is no TLS', () => {
  assert.deepEqual(readPeerTls(sampleConfig()), { kind: 'ok', tls: undefined, notAfterMs: undefined });
});

test('the table renders, parses back and gets its default mode', () => {
  const files = placeCertificate(folder, { ...ours.issue(HERE), authority: ours.pem });
  const config = withTls({ mode: 'accept', ...files, name: 'node-{id}.example' });
  assert.deepEqual(parseNodeConfig(renderNodeConfig(config)), { kind: 'ok', config });
  const text = renderNodeConfig(config).replace('mode = "accept"\n', '');
  assert.deepEqual(parseNodeConfig(text), { kind: 'ok', config: withTls({ ...config.peer_tls, mode: 'require' } as PeerTlsConfig) });
  assert.deepEqual(compareConfigs(sampleConfig(), config), { live: ['peer_tls'], restart: [], refused: [] });
});

test('keys of every usual kind are taken', () => {
  for (const key of [ec('P-256'), ec('P-384'), rsa(2048)]) assert.deepEqual(problemsOf({ ...HERE, key }), [], key.join(' '));
  const expected =
    'peer_tls.key_file = "tls.key": expected an Ed25519 key, an ECDSA key on P-256 or P-384, or an RSA key of at least 2048 bits';
  for (const key of [ec('secp256k1'), rsa(1024)]) assert.deepEqual(problemsOf({ ...HERE, key }), [expected]);
});

test('every mistake that shows from here names its file, and what to do', () => {
  const cases: readonly (readonly [CertificateWish, Change, string])[] = [
    [HERE, { parts: { certificate: 'nothing' } }, 'certificate_file = "tls.crt": expected a certificate in PEM, then those between'],
    [
      HERE,
      { parts: { authority: '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n' } },
      'ca_file = "ca.crt": expected certificates of authorities in PEM (',
    ],
    [
      HERE,
      { parts: { authority: ours.issue(HERE).certificate } },
      'ca_file = "ca.crt": expected certificates of authorities only; that of CN=leaf-',
    ],
    [HERE, { parts: { key: 'nothing' } }, 'key_file = "tls.key": expected a private key in PEM, without a passphrase'],
    [
      HERE,
      { parts: { key: ours.issue(HERE).key } },
      'key_file = "tls.key": expected the key of the first certificate in certificate_file; replace both together',
    ],
    [
      HERE,
      { parts: { authority: other.pem } },
      'certificate_file = "tls.crt": expected a certificate that an authority of ca_file issued; this one is by CN=ours',
    ],
    [
      { names: 'IP:10.0.0.9,DNS:a.example' },
      {},
      'certificate_file = "tls.crt": expected a certificate for the address of this node, 10.0.0.1; its subject alternative names: IP Addr',
    ],
    [
      { names: 'DNS:node-1.example' },
      { name: 'node-{id}.example' },
      'expected a certificate for the name node-0.example; its subject alternative names: DNS:node-1.example',
    ],
    [
      { ...HERE, extension: 'extendedKeyUsage=serverAuth' },
      {},
      'expected a certificate whose extended key usage holds clientAuth and serverAuth',
    ],
  ];
  for (const [wish, change, text] of cases) {
    const problems = problemsOf(wish, change);
    assert.equal(problems.length, 1, problems.join('\n'));
    assert.ok(problems[0]?.startsWith('peer_tls.') && problems[0].includes(text), `${problems[0]}\nwas to hold ${text}`);
  }
  const missing = readPeerTls(withTls({ mode: 'require', certificate_file: '/none', key_file: '/none', ca_file: '/none' }));
  assert.ok(missing.kind === 'invalid' && missing.problems.length === 3, 'all three are named at once');
  assert.match(describeProblem(missing.problems[0] as never), /^peer_tls\.certificate_file = "\/none": expected a readable file \(ENOENT/);
});

test('names with the node id, wildcards, several authorities and both usages are taken', () => {
  assert.deepEqual(problemsOf({ names: 'DNS:node-0.example' }, { name: 'node-{id}.example' }), []);
  assert.deepEqual(problemsOf({ names: 'DNS:*.store.example' }, { name: 'node-{id}.store.example' }), []);
  assert.deepEqual(problemsOf(HERE, { parts: { authority: other.pem + ours.pem } }), []);
  assert.deepEqual(problemsOf({ ...HERE, extension: 'extendedKeyUsage=serverAuth,clientAuth' }), []);
});

test('an expired certificate is no mistake of the configuration; its end is told', () => {
  const files = placeCertificate(folder, { ...ours.issue({ ...HERE, validity: EXPIRED }), authority: ours.pem });
  const read = readPeerTls(withTls({ mode: 'require', ...files }));
  assert.ok(read.kind === 'ok');
  assert.equal(read.notAfterMs, Date.UTC(2021, 0, 1));
});

test('a bad name is an error of the file', () => {
  const text = renderNodeConfig(withTls({ mode: 'require', certificate_file: '/a', key_file: '/b', ca_file: '/c', name: 'a-{node}' }));
  const parsed = parseNodeConfig(text);
  assert.ok(parsed.kind === 'invalid');
  assert.deepEqual(parsed.problems.map(describeProblem), ['peer_tls.name = "a-{node}": expected no braces but those of {id}']);
});

test('new content of a certificate file is noticed under its old name', async () => {
  const files = placeCertificate(folder, { ...ours.issue(HERE), authority: ours.pem });
  const text = renderNodeConfig(withTls({ mode: 'require', ...files }));
  const file = path.join(folder, 'node.toml');
  writeFileSync(file, text);
  const changed = Promise.withResolvers<string>();
  const watching = watchConfigFile(file, { known: text, onChange: changed.resolve });
  try {
    writeFileSync(files.certificate_file, ours.issue(HERE).certificate);
    assert.equal(await changed.promise, text);
  } finally {
    watching[Symbol.dispose]();
  }
});

test('a mounted Secret that is turned to new content is seen with the files of its own table', async () => {
  const mounted = path.join(folder, 'mounted');
  mkdirSync(mounted);
  const turn = (name: string): string => {
    const file = (ending: string): string => path.join(mounted, `tls-${name}.${ending}`);
    const text = renderNodeConfig(withTls({ mode: 'accept', certificate_file: file('crt'), key_file: file('key'), ca_file: file('ca') }));
    const files = { 'node.toml': text, ...Object.fromEntries(['crt', 'key', 'ca'].map((ending) => [`tls-${name}.${ending}`, name])) };
    writeAtomically(mounted, new Map(Object.entries(files).map(([key, value]) => [key, Buffer.from(value)])), 0o400);
    return text;
  };
  const known = turn('first');
  const seen: { readonly text: string; readonly complete: boolean }[] = [];
  const waiting = new Set<() => void>();
  const watching = watchConfigFile(path.join(mounted, 'node.toml'), {
    known,
    onChange: (text) => {
      const named = [...text.matchAll(/_file = "(.*)"/g)].map(([, file]) => file ?? '');
      seen.push({ text, complete: named.length === 3 && named.every((file) => existsSync(file)) });
      for (const wake of waiting) wake();
    },
  });
  try {
    for (const name of ['second', 'third', 'fourth']) {
      const text = turn(name);
      while (seen.at(-1)?.text !== text) await new Promise<void>((resolve) => waiting.add(resolve));
    }
    assert.deepEqual(
      seen.map(({ complete }) => complete),
      [true, true, true],
    );
  } finally {
    watching[Symbol.dispose]();
  }
});
