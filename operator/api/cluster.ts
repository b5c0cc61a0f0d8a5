/**
 * The OpenLakeCluster resource: spec, and the object around it.
 *
 * TypeBox schemas are the one source: TypeScript types, the CRD (crd.ts) and the checks of `openlake up` (validate.ts) all
 * come from them. A field with a default is never absent in the types, because validation fills it in.
 */
import { Type } from 'typebox';
import { PodSettings, Strings } from './pod.ts';
import { Pool } from './pool.ts';
import { StatusSchema } from './status.ts';
import { Tls } from './tls.ts';

export const GROUP = 'openlake.dev';
export const VERSION = 'v1alpha1';
export const KIND = 'OpenLakeCluster';
export const PLURAL = 'openlakeclusters';

const closed = { additionalProperties: false } as const;
const Port = (fallback: number) => Type.Integer({ minimum: 1, maximum: 65535, default: fallback });

const Image = Type.Object(
  {
    repository: Type.String({
      pattern: '^[a-z0-9]([-a-z0-9._/:]{0,253}[a-z0-9])?$',
      maxLength: 255,
      default: 'openlake/node',
      expected: 'an image repository',
    }),
    digest: Type.Optional(Type.String({ pattern: '^sha256:[0-9a-f]{64}$', maxLength: 71, expected: 'sha256: and 64 hex digits' })),
    pullPolicy: Type.Enum(['Always', 'IfNotPresent', 'Never'], { default: 'IfNotPresent' }),
    pullSecrets: Type.Optional(Type.Array(Type.String({ minLength: 1, maxLength: 253 }), { maxItems: 8 })),
  },
  { ...closed, default: {}, description: 'A digest wins over the version as tag.' },
);

const Io = Type.Object(
  {
    engine: Type.Enum(['Auto', 'Uring', 'Poll'], { default: 'Auto' }),
    cores: Type.Unsafe<'Auto' | number>({
      anyOf: [
        { type: 'string', const: 'Auto' },
        { type: 'integer', minimum: 1, maximum: 256 },
      ],
      default: 'Auto',
      description: 'Data-plane threads of a node. Auto: one per core of the pod.',
    }),
    memory: Type.String({
      pattern: '^[1-9][0-9]{0,14}(Ki|Mi|Gi|Ti)?$',
      maxLength: 20,
      default: '8Gi',
      expected: 'bytes as 8Gi, 512Mi or a number in quotes',
    }),
  },
  { ...closed, default: {} },
);

const Transport = Type.Object(
  {
    rdma: Type.Object(
      {
        resource: Type.String({
          pattern: '^(None|Auto|[a-z0-9][-a-z0-9.]{0,126}/[A-Za-z0-9][-._A-Za-z0-9]{0,126})$',
          maxLength: 255,
          default: 'Auto',
          expected: 'None, Auto or the name of a resource such as rdma/hca_shared_devices_a',
          description: 'Device-plugin resource that pods ask for. Auto: the one rdma/ name that all members of a pool offer; else none.',
        }),
        count: Type.Integer({ minimum: 1, maximum: 64, default: 1 }),
      },
      { ...closed, default: {} },
    ),
  },
  { ...closed, default: {} },
);

const Network = Type.Object(
  {
    host: Type.Boolean({ default: true, description: 'Host network: stable addresses, RDMA, no overlay.' }),
    s3Port: Port(9000),
    peerPort: Port(9001),
    adminPort: Port(9002),
  },
  { ...closed, default: {} },
);

const SecretReference = Type.Object(
  {
    secretRef: Type.Object(
      {
        name: Type.String({ minLength: 1, maxLength: 253 }),
        accessKeyKey: Type.String({ minLength: 1, maxLength: 253, default: 'accessKey' }),
        secretKeyKey: Type.String({ minLength: 1, maxLength: 253, default: 'secretKey' }),
      },
      closed,
    ),
  },
  closed,
);

const Service = Type.Object(
  {
    type: Type.Enum(['ClusterIP', 'NodePort', 'LoadBalancer'], { default: 'ClusterIP' }),
    internalTrafficPolicy: Type.Enum(['Local', 'Cluster'], { default: 'Local' }),
    annotations: Type.Optional(Strings(32)),
    loadBalancerClass: Type.Optional(Type.String({ minLength: 1, maxLength: 253 })),
  },
  { ...closed, default: {} },
);

const Update = Type.Object(
  {
    type: Type.Enum(['Rolling', 'OnApproval'], { default: 'Rolling' }),
    availability: Type.Enum(['KeepWritable', 'KeepReadable'], { default: 'KeepWritable' }),
    minReadySeconds: Type.Integer({ minimum: 0, maximum: 3600, default: 30 }),
    progressDeadlineSeconds: Type.Integer({ minimum: 10, maximum: 86400, default: 900 }),
  },
  { ...closed, default: {} },
);

const Disruption = Type.Object(
  {
    guard: Type.Boolean({ default: true, description: 'Evictions wait until every set can spare the node.' }),
    keep: Type.Enum(['Writable', 'Readable'], { default: 'Writable' }),
    maxUnavailableNodes: Type.Integer({ minimum: 1, maximum: 128, default: 1 }),
  },
  { ...closed, default: {} },
);

export const SpecSchema = Type.Object(
  {
    version: Type.String({
      pattern: '^[0-9]{1,4}\\.[0-9]{1,4}\\.[0-9]{1,4}(-[a-z0-9.]{1,32})?$',
      maxLength: 48,
      expected: 'a release as 1.2.0',
      description: 'Release of the node; picks the image tag.',
    }),
    image: Image,
    paused: Type.Boolean({ default: false, description: 'Observe and report, write nothing but status.' }),
    region: Type.String({
      pattern: '^[a-z0-9][-a-z0-9]{0,62}$',
      maxLength: 63,
      default: 'us-east-1',
      expected: 'a region name such as us-east-1',
      description: 'Immutable.',
    }),
    adopt: Type.Optional(
      Type.String({
        pattern: '^[0-9a-f]{32}$',
        maxLength: 32,
        expected: 'a cluster id of 32 hex digits',
        description: 'Id of a cluster whose drives already hold data, to put a new resource over them.',
      }),
    ),
    pools: Type.Array(Pool, {
      minItems: 1,
      maxItems: 16,
      'x-kubernetes-list-type': 'map',
      'x-kubernetes-list-map-keys': ['name'],
      description: 'Append-only.',
    }),
    transport: Transport,
    io: Io,
    network: Network,
    tls: Tls,
    credentials: Type.Object(
      { root: Type.Optional(Type.Array(SecretReference, { minItems: 1, maxItems: 2, description: 'The first is used, both are valid.' })) },
      { ...closed, default: {} },
    ),
    service: Service,
    pod: PodSettings,
    update: Update,
    disruption: Disruption,
  },
  closed,
);

export type ClusterSpec = Type.Static<typeof SpecSchema>;

export const ClusterSchema = Type.Object(
  {
    apiVersion: Type.Enum([`${GROUP}/${VERSION}`]),
    kind: Type.Enum([KIND]),
    metadata: Type.Object({
      name: Type.String({
        pattern: '^[a-z]([-a-z0-9]{0,38}[a-z0-9])?$',
        maxLength: 40,
        expected: 'a lower-case name of at most 40 letters, digits and "-"',
      }),
      namespace: Type.String({ maxLength: 63, default: 'default' }),
      generation: Type.Optional(Type.Integer()),
      uid: Type.Optional(Type.String()),
    }),
    spec: SpecSchema,
    status: Type.Optional(StatusSchema),
  },
  closed,
);

export type OpenLakeCluster = Type.Static<typeof ClusterSchema>;
