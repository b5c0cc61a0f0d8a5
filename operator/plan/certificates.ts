/**
 * The certificates for links between nodes that the resource asks for, from the Secrets that it names, or what is wrong with them.
 *
 * They are judged at every pass and before any node is told of them: a renewed certificate reaches the nodes without anybody's doing, and
 * one that cannot be used never does. Never shows a key.
 */
import type { X509Certificate } from 'node:crypto';
import { firstCertificate, judgeCertificates, type PeerCertificates, type PeerName } from '../../node/config/peer-certificates.ts';
import { peerName } from '../../node/config/peer-tls.ts';
import type { OpenLakeCluster } from '../api/cluster.ts';
import type { Reason } from '../api/reasons.ts';
import { defaultPeerName } from '../desired/peer-tls.ts';
import { type Judgement, no, yes } from './conditions.ts';
import type { Snapshot } from './snapshot.ts';

export type CertificatesPlan =
  | { readonly kind: 'off'; readonly judgement: Judgement }
  | { readonly kind: 'known'; readonly judgement: Judgement; readonly parts: PeerCertificates; readonly name: string }
  | { readonly kind: 'wrong'; readonly judgement: Judgement };

const CERTIFICATE = 'tls.crt';
const KEY = 'tls.key';
const AUTHORITY = 'ca.crt';
/** cert-manager renews when a third of the lifetime is left, so below this share nobody does. */
const SOON = 1 / 6;

/** What the resource asks for. Certificates must be for `toldName` too while nodes are told another name than it says now. */
export function planCertificates(
  cluster: OpenLakeCluster,
  from: Pick<Snapshot, 'secrets' | 'nowMs'> & { readonly memberIds: readonly number[]; readonly toldName: string | undefined },
): CertificatesPlan {
  const { namespace } = cluster.metadata;
  const { mode, secretRef, caSecretRef, name = defaultPeerName(cluster) } = cluster.spec.tls.peer;
  if (mode === 'Disabled' || secretRef === undefined) return { kind: 'off', judgement: yes('CertificatesNotAsked') };
  const authorityRef = caSecretRef ?? { name: secretRef.name, key: AUTHORITY };
  const places = {
    certificate: { name: secretRef.name, key: CERTIFICATE },
    key: { name: secretRef.name, key: KEY },
    authority: authorityRef,
  };
  for (const place of Object.values(places)) {
    if (from.secrets.every((secret) => secret.name !== place.name))
      return wrong('CertificateMissing', `Secret ${namespace}/${place.name} does not exist`);
  }
  const texts: Record<string, string> = {};
  for (const [part, place] of Object.entries(places)) {
    const text = from.secrets.find((secret) => secret.name === place.name)?.data[place.key] ?? '';
    if (text === '')
      return wrong('CertificateInvalid', `Secret ${namespace}/${place.name}: key ${place.key} is missing${hint(place, caSecretRef)}`);
    texts[part] = text;
  }
  const parts = texts as PeerCertificates;
  const names = [...new Set([name, from.toldName ?? name])].flatMap((pattern) => namesOf(pattern, from.memberIds));
  const titles = {
    certificate: CERTIFICATE,
    key: KEY,
    authority: caSecretRef === undefined ? AUTHORITY : `${caSecretRef.name}/${caSecretRef.key}`,
  };
  const mistakes = judgeCertificates(parts, { names, titles });
  if (mistakes.length > 0) {
    const told = mistakes.map(
      ({ part, expected }) => `Secret ${namespace}/${places[part].name}: key ${places[part].key}: expected ${expected}`,
    );
    const changing =
      from.toldName === undefined || from.toldName === name
        ? ''
        : `; until all nodes are told of ${name}, it must be for ${from.toldName} too`;
    return wrong('CertificateInvalid', `${told.join('; ')}${changing}`);
  }
  return judgeTime(
    { parts, name },
    { nowMs: from.nowMs, title: `Secret ${namespace}/${secretRef.name}: the certificate in key ${CERTIFICATE}` },
  );
}

function judgeTime(
  known: { readonly parts: PeerCertificates; readonly name: string },
  at: { readonly nowMs: number; readonly title: string },
): CertificatesPlan {
  const { validFromDate, validToDate }: X509Certificate = firstCertificate(known.parts.certificate);
  const [fromMs, untilMs] = [validFromDate.getTime(), validToDate.getTime()];
  if (untilMs <= at.nowMs) return wrong('CertificateExpired', `${at.title} expired at ${instant(untilMs)}: renew it`);
  if (fromMs > at.nowMs)
    return wrong(
      'CertificateInvalid',
      `${at.title} is not valid before ${instant(fromMs)}: compare the clocks of who issued it and of this cluster`,
    );
  const isSoon = untilMs - at.nowMs < (untilMs - fromMs) * SOON;
  const until = `it is valid until ${instant(untilMs)}`;
  return {
    kind: 'known',
    ...known,
    judgement: isSoon ? yes('CertificateExpiresSoon', `${at.title} was not renewed: ${until}`) : yes('CertificatesFound', until),
  };
}

/** Issuers by ACME, for example, do not say who they are. */
function hint(place: { readonly key: string }, caSecretRef: object | undefined): string {
  return place.key === AUTHORITY && caSecretRef === undefined
    ? ': expected the certificate of the authority there, or in a Secret that spec.tls.peer.caSecretRef names'
    : '';
}

function namesOf(pattern: string, memberIds: readonly number[]): PeerName[] {
  const names = pattern.includes('{id}') ? memberIds.map((id) => peerName(pattern, id)) : [pattern];
  return names.map((name) => ({ kind: 'name', name }));
}

function wrong(reason: Reason, message: string): CertificatesPlan {
  return { kind: 'wrong', judgement: no(reason, message) };
}

/** When a certificate expires. */
export function certificateEnd(certificate: string): string {
  return instant(firstCertificate(certificate).validToDate.getTime());
}

function instant(ms: number): string {
  return new Date(ms).toISOString().replace(/\.\d+Z$/, 'Z');
}
