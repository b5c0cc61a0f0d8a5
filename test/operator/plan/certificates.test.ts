/** Certificates of the user's Secrets: what is taken, and how every mistake names the Secret, its key and what was expected. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, test } from 'node:test';
import { planCertificates } from '../../../operator/plan/certificates.ts';
import type { ObservedSecret } from '../../../operator/plan/snapshot.ts';
import { Authority, type CertificateWish, EXPIRED } from '../../certificates.ts';
import { sampleCluster } from '../sample-cluster.ts';

const folder = mkdtempSync(path.join(tmpdir(), 'openlake-certificates-'));
after(() => rmSync(folder, { recursive: true, force: true }));
const ours = new Authority(folder, 'ours');
const other = new Authority(folder, 'other');
const NAME = 'sample-nodes.default.svc';
const nowMs = Date.UTC(2026, 0, 1);

type Case = {
  readonly wish?: CertificateWish;
  /** Keys of the Secret that are other than they should be; undefined: absent. */
  readonly data?: Readonly<Record<string, string | undefined>>;
  readonly peer?: object;
  readonly further?: readonly ObservedSecret[];
  readonly toldName?: string;
  readonly nowMs?: number;
};

function planOf({
  wish = { names: `DNS:${NAME}` },
  data = {},
  peer = {},
  further = [],
  ...rest
}: Case): ReturnType<typeof planCertificates> {
  const { certificate, key } = ours.issue(wish);
  const all = { 'tls.crt': certificate, 'tls.key': key, 'ca.crt': ours.pem, ...data };
  const present = Object.fromEntries(Object.entries(all).filter(([, text]) => text !== undefined)) as Record<string, string>;
  const settings = { mode: 'Require', secretRef: { name: 'lake-tls' }, ...peer };
  const cluster = sampleCluster(({ spec }) => Object.assign(spec, { tls: { peer: settings } }));
  const secrets = [{ name: 'lake-tls', labels: {}, data: present }, ...further];
  return planCertificates(cluster, { secrets, nowMs: rest.nowMs ?? nowMs, memberIds: [0, 1, 2], toldName: rest.toldName });
}

const words = (of: Case): string => {
  const { kind, judgement } = planOf(of);
  return `${kind} ${judgement.reason}: ${judgement.message}`;
};

test('without the mode nothing is looked at', () => {
  assert.equal(words({ peer: { mode: 'Disabled' }, data: { 'tls.crt': 'nothing' } }), 'off CertificatesNotAsked: ');
});

test('a certificate as cert-manager makes it is taken, and its end is told', () => {
  assert.equal(words({}), 'known CertificatesFound: it is valid until 2099-01-01T00:00:00Z');
  const named = { wish: { names: 'DNS:*.store.example' }, peer: { name: 'node-{id}.store.example' } };
  assert.match(words(named), /^known/);
  const bundle = { name: 'authorities', labels: {}, data: { 'bundle.pem': other.pem + ours.pem } };
  const apart: Case = {
    data: { 'ca.crt': undefined },
    peer: { caSecretRef: { name: 'authorities', key: 'bundle.pem' } },
    further: [bundle],
  };
  assert.match(words(apart), /^known/);
});

test('every mistake names the Secret, its key and what was expected', () => {
  const cases: readonly (readonly [Case, string])[] = [
    [{ peer: { secretRef: { name: 'none' } } }, 'wrong CertificateMissing: Secret default/none does not exist'],
    [{ peer: { caSecretRef: { name: 'none' } } }, 'wrong CertificateMissing: Secret default/none does not exist'],
    [{ data: { 'tls.key': undefined } }, 'wrong CertificateInvalid: Secret default/lake-tls: key tls.key is missing'],
    [
      { data: { 'ca.crt': '' } },
      'wrong CertificateInvalid: Secret default/lake-tls: key ca.crt is missing: expected the certificate of the authority there, or in a Secret that spec.tls.peer.caSecretRef names',
    ],
    [{ data: { 'tls.crt': 'nothing' } }, 'key tls.crt: expected a certificate in PEM, then those between it and the authority'],
    [
      { data: { 'tls.key': ours.issue({ names: 'DNS:a' }).key } },
      'key tls.key: expected the key of the first certificate in tls.crt; replace both together',
    ],
    [{ data: { 'ca.crt': other.pem } }, 'key tls.crt: expected a certificate that an authority of ca.crt issued; this one is by CN=ours'],
    [
      { peer: { caSecretRef: { name: 'authorities' } }, further: [{ name: 'authorities', labels: {}, data: { 'ca.crt': other.pem } }] },
      'expected a certificate that an authority of authorities/ca.crt issued; this one is by CN=ours',
    ],
    [{ wish: { names: 'DNS:a.example' } }, `expected a certificate for the name ${NAME}; its subject alternative names: DNS:a.example`],
    [{ wish: { names: 'DNS:node-0.a,DNS:node-2.a' }, peer: { name: 'node-{id}.a' } }, 'expected a certificate for the name node-1.a;'],
    [
      { wish: { names: `DNS:${NAME}`, extension: 'extendedKeyUsage=serverAuth' } },
      'whose extended key usage holds clientAuth and serverAuth',
    ],
    [
      { wish: { names: `DNS:${NAME}`, validity: EXPIRED } },
      'wrong CertificateExpired: Secret default/lake-tls: the certificate in key tls.crt expired at 2021-01-01T00:00:00Z: renew it',
    ],
    [
      { nowMs: Date.UTC(2019, 0, 1) },
      'wrong CertificateInvalid: Secret default/lake-tls: the certificate in key tls.crt is not valid before 2020-01-01T00:00:00Z: compare the clocks',
    ],
    [
      { toldName: 'old.example' },
      'the name old.example; its subject alternative names: DNS:sample-nodes.default.svc; until all nodes are told of sample-nodes.default.svc, it must be for old.example too',
    ],
  ];
  for (const [given, text] of cases) {
    const seen = words(given);
    assert.ok(seen.startsWith('wrong') && seen.includes(text), `${seen}\nwas to hold ${text}`);
    assert.ok(!seen.includes('PRIVATE KEY'));
  }
});

test('a certificate that nobody renewed is told in time, and used', () => {
  const seen = words({ nowMs: Date.UTC(2095, 0, 1) });
  assert.equal(
    seen,
    'known CertificateExpiresSoon: Secret default/lake-tls: the certificate in key tls.crt was not renewed: it is valid until 2099-01-01T00:00:00Z',
  );
});
