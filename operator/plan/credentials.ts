/**
 * Root keys: from the Secrets that the resource names, or from NAME-root, which is generated when there is none.
 *
 * They are read at every pass, so a changed Secret reaches the nodes' configuration without anybody's doing.
 */
import type { OpenLakeCluster } from '../api/cluster.ts';
import type { Reason } from '../api/reasons.ts';
import type { ClusterSecrets } from '../desired/config.ts';
import { MANAGER, rootSecretName } from '../desired/names.ts';
import type { Snapshot } from './snapshot.ts';

export type CredentialsPlan =
  | { readonly kind: 'known'; readonly credentials: ClusterSecrets['credentials'] }
  | { readonly kind: 'create'; readonly secret: RootSecret }
  | { readonly kind: 'blocked'; readonly reason: Reason; readonly message: string };

type RootSecret = {
  readonly apiVersion: 'v1';
  readonly kind: 'Secret';
  readonly metadata: { readonly name: string; readonly namespace: string; readonly labels: Record<string, string> };
  readonly type: 'Opaque';
  readonly stringData: { readonly accessKey: string; readonly secretKey: string };
};

/** As the node checks them; a bad key must not reach the nodes, who would refuse the whole file. */
const ACCESS_KEY = /^[A-Za-z0-9_.-]{3,128}$/;
const SECRET_KEY = /^[\x21-\x7e]{8,128}$/;

/** The keys in force, the Secret to create first, or what is wrong with a Secret. Never shows a value. */
export function planCredentials(cluster: OpenLakeCluster, snapshot: Snapshot): CredentialsPlan {
  const { namespace } = snapshot.cluster;
  const name = rootSecretName(snapshot.cluster);
  const references = cluster.spec.credentials.root ?? [{ secretRef: { name, accessKeyKey: 'accessKey', secretKeyKey: 'secretKey' } }];
  const credentials: { accessKey: string; secretKey: string }[] = [];
  for (const { secretRef } of references) {
    const secret = snapshot.secrets.find((candidate) => candidate.name === secretRef.name);
    if (secret === undefined && cluster.spec.credentials.root === undefined) return { kind: 'create', secret: rootSecret(snapshot) };
    if (secret === undefined)
      return { kind: 'blocked', reason: 'SecretMissing', message: `Secret ${namespace}/${secretRef.name} does not exist` };
    const accessKey = secret.data[secretRef.accessKeyKey];
    const secretKey = secret.data[secretRef.secretKeyKey];
    const problem =
      wrongKey(accessKey, { key: secretRef.accessKeyKey, form: ACCESS_KEY, expected: '3 to 128 letters, digits, "_", "." or "-"' }) ??
      wrongKey(secretKey, { key: secretRef.secretKeyKey, form: SECRET_KEY, expected: '8 to 128 printable characters without spaces' });
    if (problem !== undefined || accessKey === undefined || secretKey === undefined) {
      return { kind: 'blocked', reason: 'SecretInvalid', message: `Secret ${namespace}/${secretRef.name}: ${problem}` };
    }
    if (credentials.some((other) => other.accessKey === accessKey)) {
      const message = `Secret ${namespace}/${secretRef.name}: key ${secretRef.accessKeyKey} has the access key of another root`;
      return { kind: 'blocked', reason: 'SecretInvalid', message };
    }
    credentials.push({ accessKey, secretKey });
  }
  return { kind: 'known', credentials };
}

function wrongKey(
  value: string | undefined,
  wanted: { readonly key: string; readonly form: RegExp; readonly expected: string },
): string | undefined {
  if (value === undefined) return `key ${wanted.key} is missing`;
  if (wanted.form.test(value)) return undefined;
  return `key ${wanted.key} is not ${wanted.expected}${value.endsWith('\n') ? ': it ends with a line break' : ''}`;
}

function rootSecret(snapshot: Snapshot): RootSecret {
  const { cluster, fresh, told } = snapshot;
  // A Secret that was lost comes back with the keys that clients have.
  const { accessKey = '', secretKey = '' } = (told ?? fresh).credentials[0] ?? {};
  return {
    apiVersion: 'v1',
    kind: 'Secret',
    metadata: {
      name: rootSecretName(cluster),
      namespace: cluster.namespace,
      labels: {
        'app.kubernetes.io/name': 'openlake',
        'app.kubernetes.io/instance': cluster.name,
        'app.kubernetes.io/managed-by': MANAGER,
      },
    },
    type: 'Opaque',
    stringData: { accessKey, secretKey },
  };
}
