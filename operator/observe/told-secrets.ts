/**
 * What a cluster's nodes were told, read back from their configuration: a Secret that somebody removed can be written again without
 * setting nodes at odds with each other, or clients with nodes; and what may change step by step only starts from where it is.
 */
import { createHash } from 'node:crypto';
import { parse } from 'smol-toml';
import { joinParts, SHARED_FILE } from '../../node/config/file.ts';
import { readPeerTlsSettings } from '../desired/peer-tls.ts';
import type { Snapshot } from '../plan/snapshot.ts';

type SharedPart = {
  readonly secrets?: { readonly peer_secrets?: readonly string[]; readonly admin_token?: string };
  readonly credentials?: readonly { readonly access_key: string; readonly secret_key: string }[];
  readonly peer_tls?: Parameters<typeof readPeerTlsSettings>[0];
};

/** The secrets in a configuration, of whose parts only the shared one has them; undefined when they are not all there. */
export function readToldSecrets(files: Readonly<Record<string, string>>): Snapshot['told'] {
  let document: unknown;
  try {
    document = parse(files[SHARED_FILE] ?? '');
  } catch {
    return undefined;
  }
  const { secrets, credentials, peer_tls } = document as SharedPart;
  if (secrets?.peer_secrets === undefined || secrets.admin_token === undefined || credentials === undefined) return undefined;
  const peerTls = peer_tls === undefined ? undefined : readPeerTlsSettings(peer_tls, files);
  return {
    peerSecrets: secrets.peer_secrets,
    adminToken: secrets.admin_token,
    credentials: credentials.map(({ access_key: accessKey, secret_key: secretKey }) => ({ accessKey, secretKey })),
    ...(peerTls === undefined ? {} : { peerTls }),
    ...(peer_tls !== undefined && peerTls === undefined ? { peerTlsLost: true } : {}),
  };
}

/** Hash of each node's whole configuration by node name: what a node reports when it uses it. */
export function readToldHashes(files: Readonly<Record<string, string>>): ReadonlyMap<string, string> {
  const shared = files[SHARED_FILE] ?? '';
  const own = Object.entries(files).filter(([file]) => file.endsWith('.toml') && file !== SHARED_FILE);
  return new Map(
    own.map(([file, text]) => [file.replace(/\.toml$/, ''), createHash('sha256').update(joinParts(text, shared)).digest('hex')]),
  );
}
