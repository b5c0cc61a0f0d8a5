/**
 * Secrets of a local cluster: generated at the first start, kept for ever in files that only their owner can read.
 */
import { randomBytes } from 'node:crypto';
import type { ClusterSecrets } from '../desired/config.ts';
import { readIfPresent, writeWhole } from './files.ts';
import type { DataPaths } from './paths.ts';

export type LocalSecrets = ClusterSecrets & { readonly clusterId: string };

/** The secrets of a directory, generated if there are none yet. */
export function ensureSecrets(paths: DataPaths): LocalSecrets {
  const existing = readSecrets(paths);
  if (existing !== undefined) return existing;
  const secrets = generateSecrets();
  writeWhole(paths.secrets, { text: `${JSON.stringify(secrets, null, 2)}\n`, mode: 0o600 });
  return secrets;
}

export function readSecrets(paths: DataPaths): LocalSecrets | undefined {
  const text = readIfPresent(paths.secrets);
  return text === undefined ? undefined : (JSON.parse(text) as LocalSecrets);
}

/** 128 bits for ids, 256 for secrets; the access key has the form that S3 tools expect. */
export function generateSecrets(): LocalSecrets {
  return {
    clusterId: randomBytes(16).toString('hex'),
    peerSecrets: [randomBytes(32).toString('hex')],
    adminToken: randomBytes(32).toString('hex'),
    credentials: [{ accessKey: `AKIA${base32(16)}`, secretKey: randomBytes(30).toString('base64url') }],
  };
}

/** Writes DIR/env, so that `. DIR/env && aws s3 ls` works. */
export function writeEnv(
  paths: DataPaths,
  values: { readonly secrets: ClusterSecrets; readonly endpoint: string; readonly region: string },
): void {
  const root = values.secrets.credentials[0];
  if (root === undefined) throw new Error(`Cannot write ${paths.env}: there are no root credentials`);
  const lines = [
    `export AWS_ACCESS_KEY_ID=${root.accessKey}`,
    `export AWS_SECRET_ACCESS_KEY=${root.secretKey}`,
    `export AWS_ENDPOINT_URL=${values.endpoint}`,
    `export AWS_REGION=${values.region}`,
    // Older tools read only this name.
    `export AWS_DEFAULT_REGION=${values.region}`,
    '',
  ];
  writeWhole(paths.env, { text: lines.join('\n'), mode: 0o600 });
}

function base32(length: number): string {
  const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567';
  return Array.from(randomBytes(length), (byte) => alphabet[byte % 32]).join('');
}
