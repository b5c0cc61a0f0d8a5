/**
 * What a pass decided to do: data that a person can read. apply/ carries it out in order and decides nothing.
 */
import type { KubernetesObject } from '@kubernetes/client-node';
import type { Reason } from '../api/reasons.ts';
import type { ClusterStatus } from '../api/status.ts';

export type Action =
  | { readonly kind: 'add-finalizer' }
  | { readonly kind: 'remove-finalizer' }
  /** Creates what must never be overwritten; there being one already means that our news is old. */
  | { readonly kind: 'create'; readonly object: KubernetesObject }
  /** Applies a child, or one of the Secrets that outlive the resource (`owned` is false). */
  | { readonly kind: 'apply'; readonly object: KubernetesObject; readonly owned: boolean }
  | { readonly kind: 'delete-child'; readonly childKind: string; readonly name: string; readonly uid: string }
  /** The one disruptive action. */
  | { readonly kind: 'delete-pod'; readonly name: string; readonly uid: string };

export type PlannedEvent = { readonly type: 'Normal' | 'Warning'; readonly reason: Reason; readonly message: string };

export type Pass = {
  readonly actions: readonly Action[];
  /** Written after the actions, and only when it differs. */
  readonly status: ClusterStatus;
  readonly events: readonly PlannedEvent[];
  readonly requeueAfterMs: number;
};
