/**
 * What nodes are told of TLS between them now: the next of the steps from what they were told last to what the resource asks for. Pure.
 *
 * Nodes take a configuration one after the other, so for a while neighbours differ by one step, and every step is one that both ends of a
 * link survive:
 *
 * - off -> accept -> require, and back. Nodes require TLS when all use the last configuration and all links are encrypted; none is told
 *   to go without while one may still require it.
 * - A renewed certificate by the same authority is shown at once.
 * - A new authority is trusted beside the old one, then its certificate is shown, then the old authority goes.
 * - Another name is asked for when all show a certificate that is for both.
 *
 * What was told is read from the nodes' own Secret, so an operator that starts anew goes on where the last one stopped.
 */
import { certificatesOf, firstCertificate, issuersOf } from '../../node/config/peer-certificates.ts';
import type { ConditionType } from '../api/reasons.ts';
import type { ClusterStatus } from '../api/status.ts';
import type { PeerTlsSpec } from '../api/tls.ts';
import type { PeerTlsSettings } from '../desired/peer-tls.ts';
import type { CertificatesPlan } from './certificates.ts';
import { sumOfHashes } from './checks.ts';
import type { MemberFacts } from './members.ts';

export type PeerTlsInput = {
  readonly nowMs: number;
  readonly mode: PeerTlsSpec['mode'];
  readonly certificates: CertificatesPlan;
  /** lost: somebody removed what they were told, while they run. */
  readonly told: PeerTlsSettings | 'lost' | undefined;
  /** Hash of each node's configuration as it was told, by node name. */
  readonly toldHashes: ReadonlyMap<string, string> | undefined;
  /** No node was told anything, and none runs. */
  readonly fresh: boolean;
  readonly members: readonly MemberFacts[];
  /** As read back. */
  readonly status: ClusterStatus;
};

export type PeerTlsPlan = {
  readonly settings: PeerTlsSettings | undefined;
  /** What nodes are told now, or what the next step waits for; undefined when all is as it should be. */
  readonly progress: string | undefined;
  /** Whether they are told something new. */
  readonly changed: boolean;
};

/** Requests between nodes end within seconds; after this long none is left on a connection that was replaced. */
const CALM_MS = 30_000;

/** The next step. */
export function planPeerTls(input: PeerTlsInput): PeerTlsPlan {
  const { mode, told, certificates } = input;
  const wanted = certificates.kind === 'known' ? { ...certificates.parts, name: certificates.name } : undefined;
  // Who accepts goes together with those who require TLS, and with those who have none.
  if (told === 'lost') return wanted === undefined ? stay(undefined) : tell({ ...wanted, mode: 'accept' }, 'nodes are told of TLS anew');
  if (mode === 'Disabled') return goWithout(told, input);
  if (told === undefined) {
    if (wanted === undefined) return stay(undefined);
    // Nodes that start together need no steps between.
    if (input.fresh) return tell({ ...wanted, mode: mode === 'Require' ? 'require' : 'accept' }, 'nodes start with TLS');
    // One may still have TLS with other certificates, if it was switched off just now.
    const wait = notInForce(input);
    if (wait !== undefined) return stay(undefined, `nodes accept TLS when none has it any more as it was before: ${wait}`);
    return tell({ ...wanted, mode: 'accept' }, 'nodes are told to accept TLS');
  }
  if (mode === 'Accept' && told.mode === 'require')
    return tell({ ...told, mode: 'accept' }, 'nodes are told to accept links without TLS too');
  if (wanted === undefined) return stay(told);
  return changeCertificates(told, { wanted, input }) ?? requireTls(told, input);
}

function goWithout(told: PeerTlsSettings | undefined, input: PeerTlsInput): PeerTlsPlan {
  if (told === undefined) return stay(undefined);
  if (told.mode === 'require')
    return tell({ ...told, mode: 'accept' }, 'nodes are told to accept links without TLS, before they go without');
  // A node that just read what was told before and taken back since will say so within seconds.
  const wait = notInForce(input) ?? notCalm(input, ['ConfigApplied']);
  return wait === undefined
    ? tell(undefined, 'nodes are told to go without TLS')
    : stay(told, `nodes go without TLS when all accept that: ${wait}`);
}

function requireTls(told: PeerTlsSettings, input: PeerTlsInput): PeerTlsPlan {
  if (input.mode !== 'Require' || told.mode === 'require') return stay(told);
  const wait = notInForce(input) ?? notEncrypted(input.members) ?? notCalm(input);
  if (wait === undefined) return tell({ ...told, mode: 'require' }, 'all links are encrypted: nodes are told to require TLS');
  return stay(told, `nodes accept TLS, and require it when all links are encrypted: ${wait}`);
}

/** The next step towards other certificates; undefined where they are as wanted. */
function changeCertificates(
  told: PeerTlsSettings,
  from: { readonly wanted: Omit<PeerTlsSettings, 'mode'>; readonly input: PeerTlsInput },
): PeerTlsPlan | undefined {
  const { wanted, input } = from;
  const [before, after] = [authoritiesOf(told.authority), authoritiesOf(wanted.authority)];
  const added = [...after].filter(([print]) => !before.has(print)).map(([, pem]) => pem);
  if (added.length > 0) {
    const authority = [told.authority.trimEnd(), ...added, ''].join('\n');
    return tell({ ...told, authority }, 'nodes are told to trust the new authority beside the old one');
  }
  const isChanging = [...before.keys()].some((print) => !after.has(print));
  if (told.certificate !== wanted.certificate || told.key !== wanted.key) {
    // Waiting would save nothing of a certificate that opens no link any more.
    const hasExpired = firstCertificate(told.certificate).validToDate.getTime() <= input.nowMs;
    const wait = isBySameAuthority(told, wanted) || hasExpired ? undefined : notInForce(input);
    if (wait !== undefined) return stay(told, `nodes show the new certificate when all trust its authority: ${wait}`);
    return tell({ ...told, certificate: wanted.certificate, key: wanted.key }, 'nodes are told to show the new certificate');
  }
  if (told.name !== wanted.name) {
    const wait = notInForce(input);
    if (wait !== undefined) return stay(told, `nodes ask for the name ${wanted.name} when all show a certificate for it: ${wait}`);
    return tell({ ...told, name: wanted.name }, `nodes are told to ask for the name ${wanted.name}`);
  }
  if (!isChanging) return undefined;
  const wait = notInForce(input) ?? notCalm(input);
  if (wait !== undefined) return stay(told, `the old authority goes when no link is by its certificate any more: ${wait}`);
  return tell({ ...told, authority: wanted.authority }, 'nodes are told to trust the new authority alone');
}

/** Why not every node that runs is known to use what was told; one that does not run reads it when it starts. */
function notInForce({ members, toldHashes, status }: PeerTlsInput): string | undefined {
  const hashes = members.map(({ member }) => toldHashes?.get(member.nodeName) ?? '');
  // Written in the last pass, and our copy of the Secret is older than that.
  if (sumOfHashes(hashes) !== status.config?.hash) return 'the newest configuration was not read back yet';
  const late = members.filter(({ pod, answer }, index) => {
    if (pod === undefined || pod.idle) return false;
    return answer?.config === undefined || answer.config.refusal !== '' || answer.config.hash !== hashes[index];
  });
  return late.length === 0 ? undefined : `the newest configuration is not known to be in use on ${nameMembers(late)}`;
}

/** Why not every node is known to reach every other one over TLS. */
function notEncrypted(members: readonly MemberFacts[]): string | undefined {
  const ids = members.map(({ member }) => member.id);
  const silent = members.filter(({ answer }) => answer?.view?.peers === undefined);
  if (silent.length > 0) return `no word about its links from ${nameMembers(silent)}`;
  const open = members.flatMap(({ member, answer }) => {
    const reached = answer?.view?.peers?.filter((peer) => peer.connected && peer.encrypted).map((peer) => peer.nodeId) ?? [];
    return ids.filter((id) => id !== member.id && !reached.includes(id)).map((id) => `${member.id} to ${id}`);
  });
  return open.length === 0
    ? undefined
    : `not yet from member ${open.slice(0, 5).join(', ')}${open.length > 5 ? ` and ${open.length - 5} more` : ''}`;
}

/** Whether connections from before the last step have ended: what matters has been as it is for a while. */
function notCalm(
  { nowMs, status }: PeerTlsInput,
  types: readonly ConditionType[] = ['ConfigApplied', 'PeersEncrypted'],
): string | undefined {
  for (const type of types) {
    const found = status.conditions?.find((condition) => condition.type === type);
    const sinceMs = found?.status === 'True' ? Date.parse(found.lastTransitionTime) : nowMs;
    if (nowMs - sinceMs < CALM_MS) return `what was before has ${CALM_MS / 1000} s to end`;
  }
  return undefined;
}

/** Nodes believe the certificate that they are told to show now, so another one by its authority too. */
function isBySameAuthority(told: PeerTlsSettings, wanted: Omit<PeerTlsSettings, 'mode'>): boolean {
  const prints = issuersOf(told).map((issuer) => issuer.fingerprint256);
  return issuersOf({ certificate: wanted.certificate, authority: told.authority }).some((issuer) => prints.includes(issuer.fingerprint256));
}

/** Certificates by fingerprint. */
function authoritiesOf(text: string): ReadonlyMap<string, string> {
  return new Map(certificatesOf(text).map((certificate) => [certificate.fingerprint256, certificate.toString().trimEnd()]));
}

function nameMembers(members: readonly MemberFacts[]): string {
  return members.map(({ member }) => `member ${member.id} (${member.nodeName})`).join(', ');
}

function tell(settings: PeerTlsSettings | undefined, progress: string): PeerTlsPlan {
  return { settings, progress, changed: true };
}

function stay(settings: PeerTlsSettings | undefined, progress?: string): PeerTlsPlan {
  return { settings, progress, changed: false };
}
