/**
 * What makes a certificate, its key and the authorities fit for links between nodes, as far as one can tell without another node. Pure.
 *
 * The node judges its files by it, and the operator the Secret that those are made of: nothing reaches a node that it would refuse. That
 * a certificate has expired is not looked at here, since that is for a clock.
 */
import { createPrivateKey, type KeyObject, X509Certificate } from 'node:crypto';

/** Texts in PEM. */
export type PeerCertificates = {
  /** That of the node, then those between it and the authority. */
  readonly certificate: string;
  readonly key: string;
  /** Certificates of all authorities that are trusted. */
  readonly authority: string;
};

/** What a certificate must be for. */
export type PeerName = { readonly kind: 'name'; readonly name: string } | { readonly kind: 'address'; readonly address: string };

export type Mistake = { readonly part: keyof PeerCertificates; readonly expected: string };

export type JudgeOptions = {
  /** It must be for all of them. */
  readonly names: readonly PeerName[];
  /** What the reader calls the parts. */
  readonly titles: Readonly<Record<keyof PeerCertificates, string>>;
};

type Rule = (parts: PeerCertificates, options: JudgeOptions) => Mistake[];

const PEM_CERTIFICATE = /-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g;
/** More than any chain has. */
const LONGEST_CHAIN = 8;
const USAGES = { clientAuth: '1.3.6.1.5.5.7.3.2', serverAuth: '1.3.6.1.5.5.7.3.1' } as const;

/** Certificates first: what is said of the key and the issuer needs them. */
const rules: readonly (readonly Rule[])[] = [
  [certificateIsReadable, authoritiesAreReadable, keyIsReadable],
  [keyIsOfTheCertificate, authorityIssuedIt, certificateIsForTheNames, certificateMayBeUsed],
];

/** Everything that is wrong with the parts. */
export function judgeCertificates(parts: PeerCertificates, options: JudgeOptions): Mistake[] {
  for (const group of rules) {
    const mistakes = group.flatMap((rule) => rule(parts, options));
    if (mistakes.length > 0) return mistakes;
  }
  return [];
}

/** The certificates of a text. Throws where one cannot be read. */
export function certificatesOf(text: string): readonly X509Certificate[] {
  return [...text.matchAll(PEM_CERTIFICATE)].map(([pem]) => new X509Certificate(pem));
}

/** The certificate of a node, from a text that was judged. */
export function firstCertificate(text: string): X509Certificate {
  const [first] = certificatesOf(text);
  if (first === undefined) throw new Error('No certificate: the rules let none through');
  return first;
}

function certificateIsReadable(parts: PeerCertificates): Mistake[] {
  return unreadableCertificates(parts, 'certificate', 'a certificate in PEM, then those between it and the authority');
}

function authoritiesAreReadable(parts: PeerCertificates): Mistake[] {
  const mistakes = unreadableCertificates(parts, 'authority', 'certificates of authorities in PEM');
  if (mistakes.length > 0) return mistakes;
  const other = certificatesOf(parts.authority).find((certificate) => !certificate.ca);
  if (other === undefined) return [];
  return mistake('authority', `certificates of authorities only; that of ${oneLine(other.subject)} may not issue any`);
}

function unreadableCertificates(parts: PeerCertificates, part: keyof PeerCertificates, expected: string): Mistake[] {
  try {
    return certificatesOf(parts[part]).length > 0 ? [] : mistake(part, expected);
  } catch (error) {
    return mistake(part, `${expected} (${error instanceof Error ? error.message : String(error)})`);
  }
}

function keyIsReadable(parts: PeerCertificates): Mistake[] {
  let key: KeyObject;
  try {
    key = createPrivateKey(parts.key);
  } catch {
    return mistake('key', 'a private key in PEM, without a passphrase');
  }
  const { namedCurve = '', modulusLength = 0 } = key.asymmetricKeyDetails ?? {};
  const kinds: Readonly<Record<string, boolean>> = {
    ed25519: true,
    ec: ['prime256v1', 'secp384r1'].includes(namedCurve),
    rsa: modulusLength >= 2048,
  };
  if (kinds[key.asymmetricKeyType ?? ''] === true) return [];
  return mistake('key', 'an Ed25519 key, an ECDSA key on P-256 or P-384, or an RSA key of at least 2048 bits');
}

function keyIsOfTheCertificate(parts: PeerCertificates, { titles }: JudgeOptions): Mistake[] {
  if (firstCertificate(parts.certificate).checkPrivateKey(createPrivateKey(parts.key))) return [];
  return mistake('key', `the key of the first certificate in ${titles.certificate}; replace both together`);
}

/** The authorities of `authority` at which the chain in `certificate` ends. */
export function issuersOf({ certificate, authority }: Pick<PeerCertificates, 'certificate' | 'authority'>): readonly X509Certificate[] {
  const authorities = certificatesOf(authority);
  const [own, ...between] = certificatesOf(certificate);
  let current = own;
  for (let length = 0; current !== undefined && length < LONGEST_CHAIN; length += 1) {
    const issued = current;
    const isIssuer = (issuer: X509Certificate): boolean => issued.checkIssued(issuer) && issued.verify(issuer.publicKey);
    const found = authorities.filter(isIssuer);
    if (found.length > 0) return found;
    current = between.find(isIssuer);
  }
  return [];
}

function authorityIssuedIt(parts: PeerCertificates, { titles }: JudgeOptions): Mistake[] {
  if (issuersOf(parts).length > 0) return [];
  const issuer = oneLine(firstCertificate(parts.certificate).issuer);
  return mistake('certificate', `a certificate that an authority of ${titles.authority} issued; this one is by ${issuer}`);
}

function certificateIsForTheNames(parts: PeerCertificates, { names }: JudgeOptions): Mistake[] {
  const certificate = firstCertificate(parts.certificate);
  const isFor = (wanted: PeerName): boolean =>
    (wanted.kind === 'address' ? certificate.checkIP(wanted.address) : certificate.checkHost(wanted.name, { subject: 'never' })) !==
    undefined;
  const missing = names.find((wanted) => !isFor(wanted));
  if (missing === undefined) return [];
  const wanted = missing.kind === 'address' ? `the address of this node, ${missing.address}` : `the name ${missing.name}`;
  return mistake('certificate', `a certificate for ${wanted}; its subject alternative names: ${certificate.subjectAltName ?? 'none'}`);
}

function certificateMayBeUsed(parts: PeerCertificates): Mistake[] {
  // Node calls the extended key usage so.
  const usages = firstCertificate(parts.certificate).keyUsage as readonly string[] | undefined;
  if (usages === undefined || Object.values(USAGES).every((usage) => usages.includes(usage))) return [];
  return mistake('certificate', `a certificate whose extended key usage holds ${Object.keys(USAGES).join(' and ')}, or is absent`);
}

function mistake(part: keyof PeerCertificates, expected: string): Mistake[] {
  return [{ part, expected }];
}

/** Distinguished names come with one line a part. */
function oneLine(name: string): string {
  return name.replaceAll('\n', ', ');
}
