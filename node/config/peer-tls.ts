/**
 * The files that `[peer_tls]` names: read, and checked as far as one node can tell.
 *
 * A wrong certificate shows only when another node refuses it, so whatever can be seen from here is said here: a file that holds
 * something else, a key of another certificate, an authority that did not issue it, a name that others will not accept. That a
 * certificate has expired is no error of the configuration: the node starts, says so, and takes the renewed one when it comes.
 */
import { createPrivateKey, type KeyObject, X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import type { Problem } from './check.ts';
import type { NodeConfig, PeerTlsConfig } from './schema.ts';

/** What the data plane is given; texts are PEM. */
export type PeerTls = {
  /** Links without TLS are refused. */
  readonly required: boolean;
  readonly certificate: string;
  readonly key: string;
  readonly authority: string;
  /** What certificates must be for, with {id} for a node's id; absent: the node's address. */
  readonly name?: string;
};

export type PeerTlsResult =
  | { readonly kind: 'ok'; readonly tls: PeerTls | undefined; readonly notAfterMs: number | undefined }
  | { readonly kind: 'invalid'; readonly problems: readonly Problem[] };

type Files = Readonly<Record<(typeof fileKeys)[number], string>>;
type Rule = (files: Files, config: NodeConfig) => Problem[];

const fileKeys = ['certificate_file', 'key_file', 'ca_file'] as const;
const PEM_CERTIFICATE = /-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g;
/** More than any chain has. */
const LONGEST_CHAIN = 8;
const USAGES = { clientAuth: '1.3.6.1.5.5.7.3.2', serverAuth: '1.3.6.1.5.5.7.3.1' } as const;

/** Certificates first: what is said of the key and the issuer needs them. */
const rules: readonly (readonly Rule[])[] = [
  [certificateIsReadable, authoritiesAreReadable, keyIsReadable],
  [keyIsOfTheCertificate, authorityIssuedIt, certificateIsForThisNode, certificateMayBeUsed],
];

/** Reads and checks the files of a configuration; `tls` is absent where there is no `[peer_tls]`. */
export function readPeerTls(config: NodeConfig): PeerTlsResult {
  const peer = config.peer_tls;
  if (peer === undefined) return { kind: 'ok', tls: undefined, notAfterMs: undefined };
  const files: Record<string, string> = {};
  const problems: Problem[] = [];
  for (const key of fileKeys) {
    try {
      files[key] = readFileSync(peer[key], 'utf8');
    } catch (error) {
      problems.push(problem(peer, key, `a readable file (${messageOf(error)})`));
    }
  }
  for (const group of rules) {
    if (problems.length === 0) problems.push(...group.flatMap((rule) => rule(files as Files, config)));
  }
  if (problems.length > 0) return { kind: 'invalid', problems };
  const { certificate_file: certificate = '', key_file: key = '', ca_file: authority = '' } = files;
  const tls = { required: peer.mode === 'require', certificate, key, authority };
  return {
    kind: 'ok',
    tls: peer.name === undefined ? tls : { ...tls, name: peer.name },
    notAfterMs: firstCertificate(certificate).validToDate.getTime(),
  };
}

/** Paths of the files of a configuration that may be anything still. */
export function peerTlsPaths(document: unknown): readonly string[] {
  const table = tableOf(tableOf(document)['peer_tls']);
  return fileKeys.map((key) => table[key]).filter((path) => typeof path === 'string');
}

function certificateIsReadable(files: Files, config: NodeConfig): Problem[] {
  return unreadableCertificates(files, config, 'certificate_file', 'a certificate in PEM, then those between it and the authority');
}

function authoritiesAreReadable(files: Files, config: NodeConfig): Problem[] {
  const problems = unreadableCertificates(files, config, 'ca_file', 'certificates of authorities in PEM');
  if (problems.length > 0) return problems;
  const other = certificatesOf(files.ca_file).find((certificate) => !certificate.ca);
  if (other === undefined) return [];
  return problemOf(config, 'ca_file', `certificates of authorities only; that of ${oneLine(other.subject)} may not issue any`);
}

function unreadableCertificates(files: Files, config: NodeConfig, key: keyof Files, expected: string): Problem[] {
  try {
    return certificatesOf(files[key]).length > 0 ? [] : problemOf(config, key, expected);
  } catch (error) {
    return problemOf(config, key, `${expected} (${messageOf(error)})`);
  }
}

function keyIsReadable(files: Files, config: NodeConfig): Problem[] {
  let key: KeyObject;
  try {
    key = createPrivateKey(files.key_file);
  } catch {
    return problemOf(config, 'key_file', 'a private key in PEM, without a passphrase');
  }
  const { namedCurve = '', modulusLength = 0 } = key.asymmetricKeyDetails ?? {};
  const kinds: Readonly<Record<string, boolean>> = {
    ed25519: true,
    ec: ['prime256v1', 'secp384r1'].includes(namedCurve),
    rsa: modulusLength >= 2048,
  };
  if (kinds[key.asymmetricKeyType ?? ''] === true) return [];
  return problemOf(config, 'key_file', 'an Ed25519 key, an ECDSA key on P-256 or P-384, or an RSA key of at least 2048 bits');
}

function keyIsOfTheCertificate(files: Files, config: NodeConfig): Problem[] {
  if (firstCertificate(files.certificate_file).checkPrivateKey(createPrivateKey(files.key_file))) return [];
  return problemOf(config, 'key_file', 'the key of the first certificate in certificate_file; replace both files together');
}

function authorityIssuedIt(files: Files, config: NodeConfig): Problem[] {
  const authorities = certificatesOf(files.ca_file);
  const [own, ...between] = certificatesOf(files.certificate_file);
  let current = own;
  for (let length = 0; current !== undefined && length < LONGEST_CHAIN; length += 1) {
    const issued = current;
    const isIssuer = (issuer: X509Certificate): boolean => issued.checkIssued(issuer) && issued.verify(issuer.publicKey);
    if (authorities.some(isIssuer)) return [];
    current = between.find(isIssuer);
  }
  const issuer = oneLine(firstCertificate(files.certificate_file).issuer);
  return problemOf(config, 'certificate_file', `a certificate that an authority of ca_file issued; this one is by ${issuer}`);
}

function certificateIsForThisNode(files: Files, config: NodeConfig): Problem[] {
  const certificate = firstCertificate(files.certificate_file);
  const { id, address } = config.node;
  const pattern = config.peer_tls?.name;
  const name = pattern?.replaceAll('{id}', String(id));
  const isFor = name === undefined ? certificate.checkIP(address) : certificate.checkHost(name, { subject: 'never' });
  if (isFor !== undefined) return [];
  const has = certificate.subjectAltName ?? 'none';
  const wanted = name === undefined ? `the address of this node, ${address}` : `the name ${name}`;
  return problemOf(config, 'certificate_file', `a certificate for ${wanted}; its subject alternative names: ${has}`);
}

function certificateMayBeUsed(files: Files, config: NodeConfig): Problem[] {
  // Node calls the extended key usage so.
  const usages = firstCertificate(files.certificate_file).keyUsage as readonly string[] | undefined;
  if (usages === undefined || Object.values(USAGES).every((usage) => usages.includes(usage))) return [];
  const expected = `a certificate whose extended key usage holds ${Object.keys(USAGES).join(' and ')}, or is absent`;
  return problemOf(config, 'certificate_file', expected);
}

function certificatesOf(text: string): readonly X509Certificate[] {
  return [...text.matchAll(PEM_CERTIFICATE)].map(([pem]) => new X509Certificate(pem));
}

function firstCertificate(text: string): X509Certificate {
  const [first] = certificatesOf(text);
  if (first === undefined) throw new Error('No certificate: the rules let none through');
  return first;
}

function problemOf(config: NodeConfig, key: keyof Files, expected: string): Problem[] {
  const peer = config.peer_tls;
  return peer === undefined ? [] : [problem(peer, key, expected)];
}

function problem(peer: PeerTlsConfig, key: keyof Files, expected: string): Problem {
  return { path: `peer_tls.${key}`, value: peer[key], expected };
}

function tableOf(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {};
}

/** Distinguished names come with one line a part. */
function oneLine(name: string): string {
  return name.replaceAll('\n', ', ');
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
