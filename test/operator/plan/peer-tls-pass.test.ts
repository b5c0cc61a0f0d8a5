/** TLS between nodes through whole passes: from Secret to the nodes' files, without a restart, with everything told in the status. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, test } from 'node:test';
import { SHARED_FILE } from '../../../node/config/file.ts';
import { parseNodeConfig } from '../../../node/config/load.ts';
import type { PeerTlsConfig } from '../../../node/config/schema.ts';
import type { ConditionType } from '../../../operator/api/reasons.ts';
import type { ClusterStatus } from '../../../operator/api/status.ts';
import { readToldHashes, readToldSecrets } from '../../../operator/observe/told-secrets.ts';
import type { Pass } from '../../../operator/plan/actions.ts';
import { planPass } from '../../../operator/plan/pass.ts';
import type { ObservedSecret, Snapshot } from '../../../operator/plan/snapshot.ts';
import { Authority } from '../../certificates.ts';
import { wholeConfigs } from '../sample-cluster.ts';
import { answersOf, carryOut, configHashes, freshSnapshot, revisionsOf, runningSnapshot } from '../sample-snapshot.ts';

const folder = mkdtempSync(path.join(tmpdir(), 'openlake-passes-'));
after(() => rmSync(folder, { recursive: true, force: true }));
const ours = new Authority(folder, 'ours');

const ask = (mode: string): object => ({ tls: { peer: { mode, secretRef: { name: 'lake-tls' } } } });
const certify = (): ObservedSecret => {
  const { certificate, key } = ours.issue({ names: 'DNS:sample-nodes.ns.svc' });
  return { name: 'lake-tls', labels: {}, data: { 'tls.crt': certificate, 'tls.key': key, 'ca.crt': ours.pem } };
};

function withSpec(snapshot: Snapshot, change: object): Snapshot {
  return { ...snapshot, cluster: { ...snapshot.cluster, spec: { ...(snapshot.cluster.spec as object), ...change } } };
}

function filesOf(pass: Pass): Readonly<Record<string, string>> {
  for (const action of pass.actions) {
    if (action.kind !== 'apply' || action.object.metadata?.name !== 'sample-config') continue;
    return (action.object as { stringData?: Readonly<Record<string, string>> }).stringData ?? {};
  }
  throw new Error('the pass applies no configuration');
}

function tableOf(pass: Pass): PeerTlsConfig | undefined {
  const [text = ''] = wholeConfigs(filesOf(pass)).values();
  const parsed = parseNodeConfig(text);
  assert.ok(parsed.kind === 'ok', JSON.stringify(parsed));
  return parsed.config.peer_tls;
}

const condition = (status: ClusterStatus, type: ConditionType): string => {
  const found = status.conditions?.find((candidate) => candidate.type === type);
  return `${found?.status} ${found?.reason}: ${found?.message}`;
};

/** The snapshot after a pass was carried out and all nodes use what it told them. */
function carried(snapshot: Snapshot, pass: Pass, afterMs = 0): Snapshot {
  const files = filesOf(pass);
  const nowMs = snapshot.nowMs + afterMs;
  const encrypted = files[SHARED_FILE]?.includes('[peer_tls]') === true;
  const options = { away: new Set<number>(), nowMs, hashes: configHashes(pass.actions), encrypted };
  const next = carryOut(snapshot, pass);
  const answers = answersOf(next.cluster.status, options);
  return { ...next, nowMs, answers, told: readToldSecrets(files), toldHashes: readToldHashes(files) };
}

test('a running cluster comes to require TLS by itself, and no pod is restarted for it', () => {
  const plain = runningSnapshot();
  let snapshot = carried(plain, planPass(plain));
  const revisions = revisionsOf(planPass(snapshot));
  snapshot = withSpec({ ...snapshot, secrets: [...snapshot.secrets, certify()] }, ask('Require'));

  const accept = planPass(snapshot);
  const table = tableOf(accept);
  assert.deepEqual([table?.mode, table?.name], ['accept', 'sample-nodes.ns.svc']);
  for (const file of [table?.certificate_file, table?.key_file, table?.ca_file]) {
    const inside = /^\/etc\/openlake\/(tls-[0-9a-f]{16}(-ca)?\.(crt|key))$/.exec(file ?? '')?.[1] ?? '';
    assert.match(filesOf(accept)[inside] ?? '', /^-----BEGIN/, inside);
  }
  assert.equal(condition(accept.status, 'Reconciling'), 'True SwitchingTls: nodes are told to accept TLS');
  assert.equal(condition(accept.status, 'PeersEncrypted').split(':')[0], 'False TlsDisabled');
  assert.deepEqual(accept.status.certificates, [{ name: 'lake-tls', notAfter: '2099-01-01T00:00:00Z' }]);
  assert.ok(accept.events.some((event) => event.reason === 'PeerTlsChanged'));

  snapshot = carried(snapshot, accept);
  const waiting = planPass(snapshot);
  assert.equal(tableOf(waiting)?.mode, 'accept');
  assert.match(
    condition(waiting.status, 'Reconciling'),
    /^True SwitchingTls: nodes accept TLS, and require it when all links are encrypted/,
  );
  assert.match(condition(waiting.status, 'PeersEncrypted'), /^True LinksEncrypted: nodes accept links without TLS too/);
  snapshot = carried(snapshot, waiting, 60_000);

  const require = planPass(snapshot);
  assert.equal(tableOf(require)?.mode, 'require');
  snapshot = carried(snapshot, require);
  const done = planPass(snapshot);
  assert.equal(tableOf(done)?.mode, 'require');
  assert.equal(condition(done.status, 'PeersEncrypted'), 'True LinksEncrypted: nodes require TLS');
  assert.equal(condition(done.status, 'Reconciling').split(':')[0], 'False UpToDate');
  for (const pass of [accept, waiting, require, done]) {
    assert.deepEqual(revisionsOf(pass), revisions, 'another revision would restart pods');
    assert.ok(!JSON.stringify([pass.status, pass.events]).includes('PRIVATE KEY'));
  }

  // A renewed certificate has other files, and the old ones are not kept.
  const renewed = planPass({ ...snapshot, secrets: [...snapshot.secrets.filter((secret) => secret.name !== 'lake-tls'), certify()] });
  assert.equal(tableOf(renewed)?.mode, 'require');
  assert.notEqual(tableOf(renewed)?.key_file, tableOf(done)?.key_file);
  assert.equal(Object.keys(filesOf(renewed)).length, Object.keys(filesOf(done)).length);
  assert.deepEqual(revisionsOf(renewed), revisions);
});

test('a Secret that is removed, or holds something else, changes nothing on the nodes', () => {
  const asked = withSpec(runningSnapshot(), ask('Accept'));
  let snapshot: Snapshot = { ...asked, secrets: [...asked.secrets, certify()] };
  for (let turn = 0; turn < 3; turn += 1) snapshot = carried(snapshot, planPass(snapshot));
  const before = filesOf(planPass(snapshot));
  assert.match(before[SHARED_FILE] ?? '', /mode = "accept"/);
  const without = snapshot.secrets.filter((secret) => secret.name !== 'lake-tls');
  const missing = planPass({ ...snapshot, secrets: without });
  assert.deepEqual(filesOf(missing), before);
  assert.equal(condition(missing.status, 'CertificatesValid'), 'False CertificateMissing: Secret ns/lake-tls does not exist');
  assert.equal(condition(missing.status, 'Stalled').split(':')[0], 'True CertificateMissing');
  assert.equal(condition(missing.status, 'Ready').split(':')[0], 'True Serving');
  assert.deepEqual(
    missing.events.map(({ type, reason }) => `${type} ${reason}`),
    ['Warning CertificateMissing'],
  );
  const broken = planPass({
    ...snapshot,
    secrets: [...without, { name: 'lake-tls', labels: {}, data: { 'tls.crt': 'x', 'tls.key': 'y', 'ca.crt': 'z' } }],
  });
  assert.deepEqual(filesOf(broken), before);
  assert.match(
    condition(broken.status, 'CertificatesValid'),
    /^False CertificateInvalid: Secret ns\/lake-tls: key tls\.crt: expected a certificate in PEM/,
  );
});

test('a new cluster that asks for TLS waits for its Secret, and then requires it from the start', () => {
  let snapshot = freshSnapshot(({ spec }) => Object.assign(spec, ask('Require')));
  for (let turn = 0; turn < 3; turn += 1) snapshot = carryOut(snapshot, planPass(snapshot));
  const { status, actions } = planPass(snapshot);
  assert.equal(condition(status, 'CertificatesValid'), 'False CertificateMissing: Secret ns/lake-tls does not exist');
  assert.deepEqual([status.members, actions], [undefined, []]);
  snapshot = { ...snapshot, secrets: [...snapshot.secrets, certify()] };
  snapshot = carryOut(snapshot, planPass(snapshot));
  assert.equal(tableOf(planPass(snapshot))?.mode, 'require');
});

test('where what the nodes were told is lost, they are never told to go without TLS that they may require', () => {
  const asked = withSpec(runningSnapshot(), ask('Require'));
  const plain: Snapshot = { ...asked, secrets: [...asked.secrets, certify()] };
  for (const told of [undefined, { ...plain.fresh, peerTlsLost: true }]) {
    const lost: Snapshot = { ...plain, told, toldHashes: undefined };
    assert.equal(tableOf(planPass(lost))?.mode, 'accept');
    const without = planPass({ ...lost, secrets: lost.secrets.filter((secret) => secret.name !== 'lake-tls') });
    assert.deepEqual(without.actions, []);
    assert.equal(condition(without.status, 'CertificatesValid').split(':')[0], 'False CertificateMissing');
  }
  const table =
    '[secrets]\npeer_secrets = []\nadmin_token = ""\n[peer_tls]\ncertificate_file = "/a"\nkey_file = "/b"\nca_file = "/c"\n[[credentials]]\n';
  assert.equal(readToldSecrets({ [SHARED_FILE]: table })?.peerTlsLost, true);
});
