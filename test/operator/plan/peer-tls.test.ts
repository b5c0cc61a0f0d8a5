/**
 * The steps of TLS between nodes: whatever is asked for, in whatever order nodes take what they are told, both ends of every link go
 * together all the time; and in the end all have what was asked for.
 */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, test } from 'node:test';
import fc from 'fast-check';
import { judgeCertificates } from '../../../node/config/peer-certificates.ts';
import type { ClusterStatus } from '../../../operator/api/status.ts';
import type { PeerTlsSpec } from '../../../operator/api/tls.ts';
import { hashOf } from '../../../operator/desired/hash.ts';
import type { PeerTlsSettings } from '../../../operator/desired/peer-tls.ts';
import { judgeLinks, sumOfHashes } from '../../../operator/plan/checks.ts';
import { yes } from '../../../operator/plan/conditions.ts';
import type { MemberFacts } from '../../../operator/plan/members.ts';
import { type PeerTlsPlan, planPeerTls } from '../../../operator/plan/peer-tls.ts';
import { Authority } from '../../certificates.ts';
import { samplePod } from '../sample-snapshot.ts';

const folder = mkdtempSync(path.join(tmpdir(), 'openlake-steps-'));
after(() => rmSync(folder, { recursive: true, force: true }));

type Material = Omit<PeerTlsSettings, 'mode'>;
const [first, second, third] = ['first', 'second', 'third'].map((name) => new Authority(folder, name)) as [Authority, Authority, Authority];
const issue = (authority: Authority, names: readonly string[], trusted = authority.pem): Material => ({
  ...authority.issue({ names: names.map((name) => `DNS:${name}`).join(',') }),
  authority: trusted,
  name: names[0] ?? '',
});
/** Renewed ones, other authorities, several at once, other names. */
const materials: readonly Material[] = [
  issue(first, ['a.example']),
  issue(first, ['a.example', 'b.example']),
  issue(second, ['a.example', 'b.example']),
  issue(second, ['b.example', 'a.example']),
  issue(third, ['b.example', 'a.example'], third.pem + first.pem),
  issue(first, ['b.example', 'a.example'], second.pem + first.pem),
];

const NODES = 4;
const CALM_MS = 30_000;

/** Nodes that take what they are told when the test lets them, and a planner in front of them. */
class World {
  nowMs = Date.UTC(2026, 0, 1);
  mode: PeerTlsSpec['mode'] = 'Disabled';
  material: Material | undefined = materials[0];
  told: PeerTlsSettings | undefined;
  /** What lies in the files of each node, which it reads within a second. */
  readonly files: (PeerTlsSettings | undefined)[] = Array.from({ length: NODES }, () => undefined);
  /** What each node uses; `down` ones use what was told last when they start. */
  readonly used: (PeerTlsSettings | undefined)[] = Array.from({ length: NODES }, () => undefined);
  readonly down: boolean[] = Array.from({ length: NODES }, () => false);
  /** They run, and their answers do not arrive. */
  readonly silent: boolean[] = Array.from({ length: NODES }, () => false);
  readonly history: string[] = [];
  fresh = false;
  #status: ClusterStatus = { observedGeneration: 1, config: { hash: sumOfHashes(this.#hashes(undefined)), bytes: 0 } };
  #believed: { readonly condition: boolean; readonly sinceMs: number }[] = [0, 1].map(() => ({ condition: false, sinceMs: 0 }));

  pass(crash = false): PeerTlsPlan {
    const members = this.#members();
    const certificates =
      this.mode === 'Disabled'
        ? ({ kind: 'off', judgement: yes('CertificatesNotAsked') } as const)
        : this.material === undefined || !this.isUsable(this.material)
          ? ({ kind: 'wrong', judgement: yes('CertificateInvalid') } as const)
          : ({ kind: 'known', judgement: yes('CertificatesFound'), parts: this.material, name: this.material.name } as const);
    const toldHashes = new Map(this.#hashes(this.told).map((hash, index) => [`node-${index}`, hash]));
    const { nowMs, mode, told, fresh } = this;
    const plan = planPeerTls({ nowMs, mode, certificates, told, toldHashes, fresh, members, status: this.#status });
    if (plan.changed) this.history.push(describe(plan.settings));
    this.told = plan.settings;
    if (crash) return plan;
    const hashes = this.#hashes(this.told);
    const applied = members.every(({ answer }, index) => answer?.config === undefined || answer.config.hash === hashes[index]);
    const facts = [applied, judgeLinks(members, plan.settings).status === true];
    this.#believed = facts.map((condition, index) => {
      const before = this.#believed[index];
      return before?.condition === condition ? before : { condition, sinceMs: nowMs };
    });
    this.#status = {
      observedGeneration: 1,
      config: { hash: sumOfHashes(hashes), bytes: 0 },
      conditions: ['ConfigApplied', 'PeersEncrypted'].map((type, index) => ({
        type,
        status: this.#believed[index]?.condition === true ? 'True' : 'False',
        reason: '',
        message: '',
        lastTransitionTime: new Date(this.#believed[index]?.sinceMs ?? 0).toISOString(),
      })),
    };
    return plan;
  }

  /** As planCertificates asks it. */
  isUsable(material: Material): boolean {
    const { told } = this;
    return told === undefined || believes({ ...told, authority: material.authority }, { ...material, mode: 'accept' });
  }

  /** The kubelet writes a node's files. */
  write(node: number): void {
    this.files[node] = this.told;
  }

  take(node: number): void {
    this.used[node] = this.files[node];
  }

  wait(): void {
    this.nowMs += CALM_MS;
    for (let node = 0; node < NODES; node += 1) this.take(node);
  }

  toggle(node: number): void {
    this.down[node] = this.down[node] !== true;
    this.write(node);
    this.take(node);
  }

  #hashes(settings: PeerTlsSettings | undefined): string[] {
    return Array.from({ length: NODES }, (_, node) => hashOf([node, settings]));
  }

  #members(): MemberFacts[] {
    return this.used.map((settings, id) => {
      const nodeName = `node-${id}`;
      const member = { id, pool: 'p0', nodeName, address: `10.0.0.${id + 1}`, zone: '' };
      const isDown = this.down[id] === true;
      const peers = this.used.flatMap((theirs, nodeId) =>
        nodeId === id ? [] : [{ nodeId, connected: this.down[nodeId] !== true, encrypted: settings !== undefined && theirs !== undefined }],
      );
      const hash = this.#hashes(settings)[id] ?? '';
      const answer = {
        info: undefined,
        config: { hash, epoch: 1, restartKeys: [], refusal: '' },
        view: { nodeId: id, atMs: this.nowMs, sets: [], peers },
        error: undefined,
      };
      return {
        member,
        pod: samplePod(nodeName, { idle: isDown }),
        node: undefined,
        answer: isDown || this.silent[id] === true ? undefined : answer,
        whole: true,
      };
    });
  }
}

function describe(settings: PeerTlsSettings | undefined): string {
  if (settings === undefined) return 'off';
  const leaf = materials.findIndex((material) => material.certificate === settings.certificate);
  const trusted = [first, second, third].flatMap((authority, index) =>
    settings.authority.includes(authority.pem.trim()) ? [index + 1] : [],
  );
  return `${settings.mode}, certificate ${leaf}, for ${settings.name}, by ${trusted.join(' or ')}`;
}

const verdicts = new Map<string, boolean>();

/** Whether a node takes another one's certificate. */
function believes(self: PeerTlsSettings, their: PeerTlsSettings): boolean {
  const pair = `${describe(self)} believes ${describe(their)}`;
  const options = { names: [{ kind: 'name', name: self.name }], titles: { certificate: '', key: '', authority: '' } } as const;
  const verdict = verdicts.get(pair) ?? judgeCertificates({ ...their, authority: self.authority }, options).length === 0;
  verdicts.set(pair, verdict);
  return verdict;
}

/** Whether a link between two nodes comes about, encrypted where both are told to. */
function goTogether(one: PeerTlsSettings | undefined, two: PeerTlsSettings | undefined): boolean {
  if (one === undefined || two === undefined) return one?.mode !== 'require' && two?.mode !== 'require';
  return believes(one, two) && believes(two, one);
}

function assertTogether(world: World): void {
  const running = new Set(world.used.filter((_, node) => world.down[node] !== true));
  for (const one of running) {
    for (const two of running)
      assert.ok(goTogether(one, two), `"${describe(one)}" beside "${describe(two)}" after ${world.history.join('; ')}`);
  }
}

/** All nodes take what they are told, until nothing changes any more. */
function settle(world: World): void {
  for (let turn = 0; turn < 40; turn += 1) {
    const plan = world.pass();
    for (let node = 0; node < NODES; node += 1) {
      world.write(node);
      world.take(node);
      assertTogether(world);
    }
    world.wait();
    if (!plan.changed && plan.progress === undefined) return;
  }
  assert.fail(`it never settled: ${world.history.join('; ')}`);
}

test('a new cluster requires TLS from its first start, a running one in steps', () => {
  const fresh = new World();
  fresh.fresh = true;
  fresh.mode = 'Require';
  fresh.pass();
  assert.deepEqual(fresh.history, ['require, certificate 0, for a.example, by 1']);
  const running = new World();
  running.mode = 'Require';
  settle(running);
  running.mode = 'Disabled';
  settle(running);
  assert.deepEqual(
    running.history.map((step) => step.split(',')[0]),
    ['accept', 'require', 'accept', 'off'],
  );
});

test('a renewed certificate is shown at once, whoever is away', () => {
  const world = new World();
  world.mode = 'Require';
  settle(world);
  world.toggle(2);
  world.material = materials[1];
  assert.equal(world.pass().changed, true);
  assert.equal(world.told?.certificate, materials[1]?.certificate);
  assert.equal(world.pass().progress, undefined);
});

test('another authority is trusted first, then used, then the old one goes', () => {
  const world = new World();
  world.mode = 'Require';
  settle(world);
  world.material = materials[3];
  settle(world);
  assert.deepEqual(world.history.slice(2), [
    'require, certificate 0, for a.example, by 1 or 2',
    'require, certificate 3, for a.example, by 1 or 2',
    'require, certificate 3, for b.example, by 1 or 2',
    'require, certificate 3, for b.example, by 2',
  ]);
});

test('each step says what it waits for', () => {
  const world = new World();
  world.mode = 'Require';
  assert.equal(world.pass().progress, 'nodes are told to accept TLS');
  for (const node of [0, 1, 2]) {
    world.write(node);
    world.take(node);
  }
  const lead = 'nodes accept TLS, and require it when all links are encrypted: ';
  assert.equal(world.pass().progress, `${lead}the newest configuration is not known to be in use on member 3 (node-3)`);
  world.toggle(3);
  assert.equal(world.pass().progress, `${lead}no word about its links from member 3 (node-3)`);
  world.toggle(3);
  assert.equal(world.pass().progress, `${lead}what was before has 30 s to end`);
  world.wait();
  assert.equal(world.pass().progress, 'all links are encrypted: nodes are told to require TLS');
  world.mode = 'Disabled';
  assert.match(world.pass().progress ?? '', /^nodes are told to accept links without TLS/);
  const back = 'nodes go without TLS when all accept that: ';
  assert.equal(world.pass().progress, `${back}what was before has 30 s to end`, 'a node may have read in between that TLS is required');
});

test('a certificate that cannot be used changes nothing, and is used when it is mended', () => {
  const world = new World();
  world.mode = 'Require';
  settle(world);
  world.material = undefined;
  assert.deepEqual(world.pass(), { settings: world.told, progress: undefined, changed: false });
  world.material = materials[2];
  settle(world);
  assert.equal(describe(world.told), 'require, certificate 2, for a.example, by 2');
  const plain = new World();
  plain.mode = 'Require';
  plain.material = undefined;
  assert.deepEqual(plain.pass(), { settings: undefined, progress: undefined, changed: false });
});

const action = fc.oneof(
  fc.record({ kind: fc.constant('ask' as const), mode: fc.constantFrom('Disabled', 'Accept', 'Require') }),
  fc.record({ kind: fc.constant('certify' as const), material: fc.constantFrom(undefined, ...materials) }),
  fc.record({ kind: fc.constant('pass' as const) }),
  fc.record({ kind: fc.constant('pass' as const) }),
  // The operator ends between what it writes to the nodes and the status.
  fc.record({ kind: fc.constant('crash' as const) }),
  fc.record({ kind: fc.constant('write' as const), node: fc.nat(NODES - 1) }),
  fc.record({ kind: fc.constant('take' as const), node: fc.nat(NODES - 1) }),
  fc.record({ kind: fc.constant('toggle' as const), node: fc.nat(NODES - 1) }),
  fc.record({ kind: fc.constant('hush' as const), node: fc.nat(NODES - 1) }),
  fc.record({ kind: fc.constant('wait' as const) }),
  // What a sequence of single steps would come to rarely.
  fc.record({ kind: fc.constant('settle' as const) }),
);

test('whatever is asked for and whoever is late, every two nodes go together, and in the end all is as asked', () => {
  fc.assert(
    fc.property(fc.array(action, { maxLength: 60, size: 'max' }), (actions) => {
      const world = new World();
      for (const step of actions) {
        if (step.kind === 'ask') world.mode = step.mode;
        else if (step.kind === 'certify') world.material = step.material;
        else if (step.kind === 'pass') world.pass();
        else if (step.kind === 'crash') world.pass(true);
        else if (step.kind === 'write') world.write(step.node);
        else if (step.kind === 'take') world.take(step.node);
        else if (step.kind === 'toggle') world.toggle(step.node);
        else if (step.kind === 'hush') world.silent[step.node] = world.silent[step.node] !== true;
        else if (step.kind === 'wait') world.wait();
        else if (world.silent.every((silent) => !silent) && world.down.every((down) => !down)) settle(world);
        assertTogether(world);
      }
      if (world.material === undefined || !world.isUsable(world.material)) world.material = materials[2];
      world.silent.fill(false);
      for (let node = 0; node < NODES; node += 1) if (world.down[node] === true) world.toggle(node);
      settle(world);
      const expected = world.mode === 'Disabled' ? undefined : { ...world.material, mode: world.mode.toLowerCase() };
      if (expected === undefined) assert.equal(world.told, undefined);
      else assert.equal(describe(world.told), describe(expected as PeerTlsSettings));
    }),
    { numRuns: 300 },
  );
});
