/**
 * TLS: which Secrets hold the certificates, and how strictly they are asked for. Certificates and keys themselves never stand in the resource.
 */
import { Type } from 'typebox';

const closed = { additionalProperties: false } as const;

const SecretName = Type.String({ minLength: 1, maxLength: 253, expected: 'the name of a Secret in the namespace of the resource' });

const PeerTlsSettings = Type.Object(
  {
    mode: Type.Enum(['Disabled', 'Accept', 'Require'], { default: 'Disabled' }),
    secretRef: Type.Optional(Type.Object({ name: SecretName }, closed)),
    caSecretRef: Type.Optional(
      Type.Object({ name: SecretName, key: Type.String({ minLength: 1, maxLength: 253, default: 'ca.crt' }) }, closed),
    ),
    name: Type.Optional(
      Type.String({
        pattern: '^([a-z0-9]|\\{id\\})(([-a-z0-9.]|\\{id\\})*([a-z0-9]|\\{id\\}))?$',
        maxLength: 253,
        expected: 'a lower-case DNS name, with {id} where the node id stands if it does',
      }),
    ),
  },
  { ...closed, default: {} },
);

export const Tls = Type.Object({ peer: PeerTlsSettings }, { ...closed, default: {} });

export type PeerTlsSpec = Type.Static<typeof PeerTlsSettings>;
