/**
 * Certificates of a local cluster: the folder DIR/secrets/NAME stands for the Secret NAME, one file a key.
 *
 * They are read at each start. All nodes start together, so none of the steps is needed by which a running cluster comes to TLS.
 */
import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import type { OpenLakeCluster } from '../api/cluster.ts';
import type { PeerTlsSettings } from '../desired/peer-tls.ts';
import { planCertificates } from '../plan/certificates.ts';
import { LocalError } from './local-error.ts';
import type { DataPaths } from './paths.ts';

/** What the nodes are told of TLS; undefined where the resource does not ask for it. Throws LocalError for certificates of no use. */
export function readPeerTls(
  cluster: OpenLakeCluster,
  from: { readonly paths: DataPaths; readonly memberIds: readonly number[]; readonly nowMs: number },
): PeerTlsSettings | undefined {
  const { mode, secretRef, caSecretRef } = cluster.spec.tls.peer;
  const names = [secretRef, caSecretRef].flatMap((reference) => (reference === undefined ? [] : [reference.name]));
  const secrets = names.flatMap((name) => {
    const data = readFolder(from.paths.secret(name));
    return data === undefined ? [] : [{ name, labels: {}, data }];
  });
  const { memberIds, nowMs } = from;
  const found = planCertificates(cluster, { secrets, nowMs, memberIds, toldName: undefined });
  if (found.kind === 'off') return undefined;
  if (found.kind === 'wrong') {
    const folders = names.map((name) => `${name} is the folder ${from.paths.secret(name)}`).join(', ');
    throw new LocalError(`Cannot start: ${found.judgement.message}\nOn this machine Secret ${folders}, with one file for each key`);
  }
  return { ...found.parts, name: found.name, mode: mode === 'Require' ? 'require' : 'accept' };
}

function readFolder(folder: string): Record<string, string> | undefined {
  try {
    const files = readdirSync(folder, { withFileTypes: true }).filter((entry) => entry.isFile());
    return Object.fromEntries(files.map(({ name }) => [name, readFileSync(path.join(folder, name), 'utf8')]));
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined;
    throw error;
  }
}
