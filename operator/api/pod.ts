/**
 * What a user may say about the pods of storage nodes.
 *
 * Deliberately not a PodSpec: embedding one makes a CRD too large for client-side apply, and most of it would break the
 * node. Only fields that a cluster's administrators have good reasons to set are here.
 */
import { Type } from 'typebox';

const closed = { additionalProperties: false } as const;

/** A number or a quantity such as 500m or 8Gi. */
const Quantity = Type.Unsafe<string | number>({
  anyOf: [{ type: 'integer' }, { type: 'string', maxLength: 32 }],
  expected: 'a number or a quantity such as 500m or 8Gi',
});

const Quantities = Type.Unsafe<Readonly<Record<string, string | number>>>({
  type: 'object',
  additionalProperties: Quantity,
  maxProperties: 16,
});

/** A map of strings, as labels and annotations are. */
export const Strings = (maxProperties: number) =>
  Type.Unsafe<Readonly<Record<string, string>>>({
    type: 'object',
    additionalProperties: { type: 'string', maxLength: 4096 },
    maxProperties,
  });

const Toleration = Type.Object(
  {
    key: Type.Optional(Type.String({ maxLength: 316 })),
    operator: Type.Optional(Type.Enum(['Exists', 'Equal'])),
    value: Type.Optional(Type.String({ maxLength: 63 })),
    effect: Type.Optional(Type.Enum(['NoSchedule', 'PreferNoSchedule', 'NoExecute'])),
    tolerationSeconds: Type.Optional(Type.Integer({ minimum: 0 })),
  },
  closed,
);

export const PodSettings = Type.Object(
  {
    resources: Type.Optional(Type.Object({ requests: Type.Optional(Quantities), limits: Type.Optional(Quantities) }, closed)),
    tolerations: Type.Optional(
      Type.Array(Toleration, { maxItems: 32, description: 'Added to those for GPU taints, which are always there.' }),
    ),
    priorityClassName: Type.Optional(Type.String({ maxLength: 253 })),
    seccompProfile: Type.Optional(
      Type.Enum(['Unconfined', 'RuntimeDefault'], {
        description: 'Absent: Unconfined for engines Auto and Uring (runtime profiles forbid io_uring), RuntimeDefault for Poll.',
      }),
    ),
    runAsUser: Type.Optional(Type.Integer({ minimum: 0, maximum: 2147483647 })),
    serviceAccountName: Type.Optional(Type.String({ maxLength: 253, description: 'An existing ServiceAccount; absent: one is made.' })),
    env: Type.Optional(
      Type.Array(
        Type.Object(
          {
            name: Type.String({
              pattern: '^[A-Za-z_][A-Za-z0-9_]{0,127}$',
              maxLength: 128,
              expected: 'the name of an environment variable',
            }),
            value: Type.String({ maxLength: 4096 }),
          },
          closed,
        ),
        { maxItems: 32, 'x-kubernetes-list-type': 'map', 'x-kubernetes-list-map-keys': ['name'] },
      ),
    ),
    labels: Type.Optional(Strings(32)),
    annotations: Type.Optional(Strings(32)),
  },
  { ...closed, default: {} },
);
