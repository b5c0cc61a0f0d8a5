/**
 * Events on the resource, for `kubectl describe`: what the operator did or found, with stable reasons.
 *
 * The same Event within ten minutes is not written again, and a failure to write one is no failure of the work.
 */
import type { KubernetesObject } from '@kubernetes/client-node';
import type { KubeClient } from './client.ts';
import { FIELD_MANAGER } from './patch.ts';
import { resourcePath, resources } from './resources.ts';

export type OperatorEvent = { readonly type: 'Normal' | 'Warning'; readonly reason: string; readonly message: string };

const REPEAT_MS = 600_000;
/** More different Events than one cluster has in ten minutes. */
const MAXIMUM_REMEMBERED = 1024;

export type EventRecorder = { readonly record: (about: KubernetesObject, event: OperatorEvent) => Promise<void> };

export function createEventRecorder(
  client: KubeClient,
  options: { readonly identity: string; readonly onError: (error: unknown) => void },
): EventRecorder {
  const sent = new Map<string, number>();
  return {
    record: async (about, event) => {
      const key = [about.metadata?.uid, event.reason, event.message].join('\n');
      const now = Date.now();
      if (now - (sent.get(key) ?? Number.NEGATIVE_INFINITY) < REPEAT_MS) return;
      sent.delete(key);
      sent.set(key, now);
      const oldest = sent.keys().next().value;
      if (sent.size > MAXIMUM_REMEMBERED && oldest !== undefined) sent.delete(oldest);
      const { apiVersion, kind, metadata } = about;
      const at = new Date(now).toISOString().replace(/\.\d+Z$/, 'Z');
      const body = {
        apiVersion: 'v1',
        kind: 'Event',
        metadata: { generateName: `${metadata?.name}.`, namespace: metadata?.namespace },
        involvedObject: { apiVersion, kind, name: metadata?.name, namespace: metadata?.namespace, uid: metadata?.uid },
        type: event.type,
        reason: event.reason,
        message: event.message.slice(0, 1024),
        firstTimestamp: at,
        lastTimestamp: at,
        count: 1,
        source: { component: FIELD_MANAGER },
        reportingComponent: FIELD_MANAGER,
        reportingInstance: options.identity,
      };
      try {
        await client.request({ method: 'POST', path: resourcePath(resources.events, { namespace: metadata?.namespace }), body });
      } catch (error) {
        options.onError(error);
      }
    },
  };
}
