/**
 * The secrets that a cluster's nodes were told, read back from their configuration: a Secret that somebody removed can be
 * written again without setting nodes at odds with each other, or clients with nodes.
 */
import { parse } from 'smol-toml';
import type { ClusterSecrets } from '../desired/config.ts';

/** The secrets in the shared part of a configuration; undefined when they are not all there. */
export function readToldSecrets(text: string): ClusterSecrets | undefined {
  let document: unknown;
  try {
    document = parse(text);
  } catch {
    return undefined;
  }
  const { secrets, credentials } = document as {
    readonly secrets?: { readonly peer_secrets?: readonly string[]; readonly admin_token?: string };
    readonly credentials?: readonly { readonly access_key: string; readonly secret_key: string }[];
  };
  if (secrets?.peer_secrets === undefined || secrets.admin_token === undefined || credentials === undefined) return undefined;
  return {
    peerSecrets: secrets.peer_secrets,
    adminToken: secrets.admin_token,
    credentials: credentials.map(({ access_key: accessKey, secret_key: secretKey }) => ({ accessKey, secretKey })),
  };
}
