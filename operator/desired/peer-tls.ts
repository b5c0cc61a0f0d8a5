/**
 * TLS between nodes as the nodes are told of it: the table of their TOML, and the files that it names.
 *
 * The files stand in the same Secret as the configuration, so that both change at one instant, and no pod has to be restarted for another
 * volume. They are named by their content: the hash of its configuration, which a node reports, then says which certificate it uses.
 */
import { certificatesOf, type PeerCertificates } from '../../node/config/peer-certificates.ts';
import type { PeerTlsConfig } from '../../node/config/schema.ts';
import type { OpenLakeCluster } from '../api/cluster.ts';
import { hashOf } from './hash.ts';
import { CONFIG_MOUNT } from './names.ts';

export type PeerTlsSettings = PeerCertificates & {
  readonly mode: PeerTlsConfig['mode'];
  /** What certificates are for; `{id}` stands for a node's id. */
  readonly name: string;
};

/** How the names of all such files begin. */
export const PEER_TLS_FILES = 'tls-';

/** `[peer_tls]` of every node. */
export function peerTlsTable(settings: PeerTlsSettings): PeerTlsConfig {
  const files = fileNames(settings);
  return {
    mode: settings.mode,
    certificate_file: `${CONFIG_MOUNT}/${files.certificate}`,
    key_file: `${CONFIG_MOUNT}/${files.key}`,
    ca_file: `${CONFIG_MOUNT}/${files.authority}`,
    name: settings.name,
  };
}

/** The files beside the configuration, by name. */
export function peerTlsFiles(settings: PeerTlsSettings): Readonly<Record<string, string>> {
  const names = fileNames(settings);
  return {
    [names.certificate]: settings.certificate,
    [names.key]: settings.key,
    [names.authority]: settings.authority,
  };
}

/** The settings that a table and the files of its Secret stand for; undefined when a file is not there, or holds something else. */
export function readPeerTlsSettings(
  table: Pick<PeerTlsConfig, 'certificate_file' | 'key_file' | 'ca_file'> & Partial<PeerTlsConfig>,
  files: Readonly<Record<string, string>>,
): PeerTlsSettings | undefined {
  // Somebody may have changed the Secret by hand.
  const read = (path: unknown): string | undefined => (typeof path === 'string' ? files[path.slice(path.lastIndexOf('/') + 1)] : undefined);
  const { mode = 'require', name } = table;
  const [certificate, key, authority] = [read(table.certificate_file), read(table.key_file), read(table.ca_file)];
  if (certificate === undefined || key === undefined || authority === undefined || name === undefined) return undefined;
  return isReadable(certificate) && isReadable(authority) ? { mode, name, certificate, key, authority } : undefined;
}

function isReadable(text: string): boolean {
  try {
    return certificatesOf(text).length > 0;
  } catch {
    return false;
  }
}

/** What certificates are for where the resource says nothing: the Service that names every node. */
export function defaultPeerName({ metadata }: Pick<OpenLakeCluster, 'metadata'>): string {
  return `${metadata.name}-nodes.${metadata.namespace}.svc`;
}

function fileNames({ certificate, key, authority }: PeerCertificates): Record<keyof PeerCertificates, string> {
  const stem = `${PEER_TLS_FILES}${hashOf([certificate, key, authority]).slice(0, 16)}`;
  return { certificate: `${stem}.crt`, key: `${stem}.key`, authority: `${stem}-ca.crt` };
}
