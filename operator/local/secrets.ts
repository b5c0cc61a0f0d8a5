/**
 * Secrets of a local cluster: generated at the first start, kept for ever in files that only their owner can read.
 */
import type { ClusterSecrets } from '../desired/config.ts';
import { type GeneratedSecrets, generateSecrets } from '../observe/generate-secrets.ts';
import { readIfPresent, writeWhole } from './files.ts';
import type { DataPaths } from './paths.ts';

export type LocalSecrets = GeneratedSecrets;

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
