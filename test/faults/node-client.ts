/** An S3 client of one node that never tries again by itself. */
import { S3Client } from '@aws-sdk/client-s3';
import type { FaultCluster } from './fault-cluster.ts';

/** The client of a node; destroy it when done. */
export function clientOf(on: FaultCluster, node: number): S3Client {
  const { AWS_REGION: region, AWS_ACCESS_KEY_ID: accessKeyId, AWS_SECRET_ACCESS_KEY: secretAccessKey } = on.cluster.env;
  return new S3Client({
    endpoint: on.endpoints[node] as string,
    region: region as string,
    forcePathStyle: true,
    credentials: { accessKeyId: accessKeyId as string, secretAccessKey: secretAccessKey as string },
    maxAttempts: 1,
  });
}
