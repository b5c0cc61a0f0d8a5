/**
 * The files that `[peer_tls]` names: read, and checked as far as one node can tell (peer-certificates.ts).
 *
 * A wrong certificate shows only when another node refuses it, so whatever can be seen from here is said here. That a certificate has
 * expired is no error of the configuration: the node starts, says so, and takes the renewed one when it comes.
 */
import { readFileSync } from 'node:fs';
import type { Problem } from './check.ts';
import { firstCertificate, judgeCertificates, type PeerCertificates, type PeerName } from './peer-certificates.ts';
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

const fileKeys = ['certificate_file', 'key_file', 'ca_file'] as const;
const keyOf = { certificate: 'certificate_file', key: 'key_file', authority: 'ca_file' } as const;

/** Reads and checks the files of a configuration; `tls` is absent where there is no `[peer_tls]`. */
export function readPeerTls(config: NodeConfig): PeerTlsResult {
  const peer = config.peer_tls;
  if (peer === undefined) return { kind: 'ok', tls: undefined, notAfterMs: undefined };
  const texts: Record<string, string> = {};
  const problems: Problem[] = [];
  for (const [part, key] of Object.entries(keyOf)) {
    try {
      texts[part] = readFileSync(peer[key], 'utf8');
    } catch (error) {
      problems.push(problem(peer, key, `a readable file (${error instanceof Error ? error.message : String(error)})`));
    }
  }
  if (problems.length > 0) return { kind: 'invalid', problems };
  const parts = texts as PeerCertificates;
  const mistakes = judgeCertificates(parts, { names: [nameOf(config)], titles: keyOf });
  if (mistakes.length > 0) return { kind: 'invalid', problems: mistakes.map(({ part, expected }) => problem(peer, keyOf[part], expected)) };
  const tls = { required: peer.mode === 'require', certificate: parts.certificate, key: parts.key, authority: parts.authority };
  return {
    kind: 'ok',
    tls: peer.name === undefined ? tls : { ...tls, name: peer.name },
    notAfterMs: firstCertificate(parts.certificate).validToDate.getTime(),
  };
}

/** Paths of the files of a configuration that may be anything still. */
export function peerTlsPaths(document: unknown): readonly string[] {
  const table = tableOf(tableOf(document)['peer_tls']);
  return fileKeys.map((key) => table[key]).filter((path) => typeof path === 'string');
}

function nameOf({ node, peer_tls }: NodeConfig): PeerName {
  const pattern = peer_tls?.name;
  return pattern === undefined ? { kind: 'address', address: node.address } : { kind: 'name', name: peerName(pattern, node.id) };
}

/** The name that the certificate of a node must be for. */
export function peerName(pattern: string, nodeId: number): string {
  return pattern.replaceAll('{id}', String(nodeId));
}

function problem(peer: PeerTlsConfig, key: (typeof fileKeys)[number], expected: string): Problem {
  return { path: `peer_tls.${key}`, value: peer[key], expected };
}

function tableOf(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {};
}
