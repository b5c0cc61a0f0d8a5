/**
 * A pool: nodes with equal drives, coded the same way.
 *
 * Almost all of it is immutable: slots are given out once. A cluster grows by another pool.
 */
import { Type } from 'typebox';
import { Strings } from './pod.ts';

const closed = { additionalProperties: false } as const;

const Selector = Type.Object(
  {
    matchLabels: Type.Optional(Strings(32)),
    matchExpressions: Type.Optional(
      Type.Array(
        Type.Object(
          {
            key: Type.String({ minLength: 1, maxLength: 316 }),
            operator: Type.Enum(['In', 'NotIn', 'Exists', 'DoesNotExist']),
            values: Type.Optional(Type.Array(Type.String({ maxLength: 63 }), { maxItems: 64 })),
          },
          closed,
        ),
        { maxItems: 16 },
      ),
    ),
  },
  closed,
);

const NodeName = Type.String({
  pattern: '^[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?$',
  maxLength: 253,
  expected: 'the name of a node',
});

const PoolNodes = Type.Object(
  {
    count: Type.Integer({ minimum: 1, maximum: 128, description: 'Number of nodes. Immutable.' }),
    gpu: Type.Enum(['Require', 'Ignore'], { default: 'Require', description: 'Require: only nodes with a GPU are chosen.' }),
    rdma: Type.Enum(['Require', 'Prefer', 'Ignore'], {
      default: 'Require',
      description: 'Require: only nodes with RDMA are chosen. Prefer: those first.',
    }),
    selector: Type.Optional(Selector),
    names: Type.Optional(
      Type.Array(NodeName, {
        minItems: 1,
        maxItems: 128,
        // Uniqueness by the list's type: as a rule over 128 names it would cost too much.
        'x-kubernetes-list-type': 'set',
        description: 'Exactly these nodes; gpu, rdma and selector are then not looked at.',
      }),
    ),
    resources: Type.Optional(
      Type.Array(Type.String({ minLength: 1, maxLength: 316 }), {
        maxItems: 8,
        description: 'Further resources of which a node must have some to give.',
      }),
    ),
    topologyKey: Type.String({
      minLength: 1,
      maxLength: 316,
      default: 'topology.kubernetes.io/zone',
      description: 'Node label whose values are zones; slots of a set are spread over them.',
    }),
  },
  { ...closed, description: 'Which nodes. Used once, to choose members; after that status.members rules.' },
);

const PoolDrives = Type.Object(
  {
    directories: Type.Optional(
      Type.Object(
        {
          parent: Type.String({
            pattern: '^(/[A-Za-z0-9][-._A-Za-z0-9]*)+$',
            maxLength: 256,
            expected: 'an absolute path without "." and ".." parts',
          }),
          names: Type.Array(
            Type.String({
              pattern: '^[A-Za-z0-9][-._A-Za-z0-9]{0,62}$',
              maxLength: 63,
              expected: 'a name without "/" and ".."',
            }),
            { minItems: 1, maxItems: 64 },
          ),
          mountCheck: Type.Enum(['Strict', 'Directory'], {
            default: 'Strict',
            description: 'Strict: each is its own mount point. Directory: plain folders, for trials.',
          }),
        },
        { ...closed, description: 'Directories parent/name, each on a filesystem of its own.' },
      ),
    ),
    devices: Type.Optional(
      Type.Object(
        {
          paths: Type.Array(
            Type.String({
              pattern: '^/dev(/[A-Za-z0-9][-._:+A-Za-z0-9]*)+$',
              maxLength: 256,
              expected: 'a path below /dev',
            }),
            { minItems: 1, maxItems: 64 },
          ),
        },
        { ...closed, description: 'Whole raw devices; pods become privileged.' },
      ),
    ),
    adoptBlank: Type.Boolean({
      default: true,
      description: 'A blank drive in the slot of a lost one takes its place and is healed; false refuses it by name.',
    }),
  },
  { ...closed, description: 'Drives of every node of the pool, in slot order. Immutable.' },
);

export const Pool = Type.Object(
  {
    name: Type.String({
      pattern: '^[a-z]([-a-z0-9]{0,18}[a-z0-9])?$',
      maxLength: 20,
      expected: 'a lower-case name of at most 20 letters, digits and "-"',
    }),
    nodes: PoolNodes,
    drives: PoolDrives,
    erasure: Type.Optional(
      Type.Object(
        {
          setSize: Type.Integer({ minimum: 2, maximum: 16, description: 'Slots of a set: data and parity.' }),
          parity: Type.Integer({ minimum: 1, maximum: 15, description: 'Shards that may be lost.' }),
        },
        { ...closed, description: 'Absent: chosen so that writes go on without one node. Immutable.' },
      ),
    ),
    weight: Type.Integer({ minimum: 0, maximum: 1_000_000, default: 100, description: 'Share in placement.' }),
  },
  closed,
);

export type PoolSpec = Type.Static<typeof Pool>;
