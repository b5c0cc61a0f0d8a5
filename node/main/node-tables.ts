/**
 * The tables that the data plane gets, out of the configuration and the S3 error table. Pure.
 */
import type { NodeConfig } from '../config/schema.ts';
import type { Tables } from '../engine/tables.ts';
import { errorTemplate } from '../s3/error-template.ts';
import { s3ErrorTable } from '../s3/errors.ts';

/** A Complete of 10,000 parts with checksums has about 2 MiB of XML. */
const CONTROL_BODY_BYTES = 4 * 1024 * 1024;
/** S3's limit for a single PUT and for a part. */
const OBJECT_BYTES = 5 * 1024 ** 3;

/** One version of the tables. */
export function nodeTables(config: NodeConfig, version: number): Tables {
  return {
    version,
    region: config.cluster.region,
    limits: {
      connections: config.limits.max_connections,
      headTimeoutMs: config.limits.head_timeout_ms,
      idleTimeoutMs: config.limits.idle_timeout_ms,
      controlBodyBytes: CONTROL_BODY_BYTES,
      objectBytes: OBJECT_BYTES,
    },
    identities: config.credentials.map((credential) => ({ accessKey: credential.access_key, secretKey: credential.secret_key })),
    errors: Object.entries(s3ErrorTable).map(([code, { status, message }]) => ({ code, status, message })),
    errorTemplate,
  };
}
