/** Secrets that nobody chose: made of the system's randomness, once per cluster. */
import { randomBytes } from 'node:crypto';
import type { ClusterSecrets } from '../desired/config.ts';

export type GeneratedSecrets = ClusterSecrets & { readonly clusterId: string };

/** 128 bits for ids, 256 for secrets; the access key has the form that S3 tools expect. */
export function generateSecrets(): GeneratedSecrets {
  return {
    clusterId: randomBytes(16).toString('hex'),
    peerSecrets: [randomBytes(32).toString('hex')],
    adminToken: randomBytes(32).toString('hex'),
    credentials: [{ accessKey: `AKIA${base32(16)}`, secretKey: randomBytes(30).toString('base64url') }],
  };
}

function base32(length: number): string {
  const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567';
  return Array.from(randomBytes(length), (byte) => alphabet[byte % 32]).join('');
}
