/** The operator's own metrics, in a registry of their own. */
import { Counter, Gauge, Histogram, Registry } from 'prom-client';

export type OperatorMetrics = {
  readonly registry: Registry;
  readonly reconciles: Counter<'result'>;
  readonly reconcileSeconds: Histogram;
  readonly statusWrites: Counter;
  readonly podRestarts: Counter;
  readonly apiErrors: Counter;
  readonly sets: Gauge<'namespace' | 'name' | 'state'>;
};

/** `read` supplies the values that are asked for at scrape time. */
export function createMetrics(read: { readonly queueDepth: () => number; readonly isLeader: () => boolean }): OperatorMetrics {
  const registers = [new Registry()];
  const [registry] = registers as [Registry];
  const gauge = (name: string, about: { readonly help: string; readonly value: () => number }): void => {
    const made: Gauge = new Gauge({
      name,
      help: about.help,
      registers,
      collect: (): void => made.set(about.value()),
    });
  };
  gauge('openlake_operator_queue_depth', { help: 'Resources that wait to be worked on.', value: read.queueDepth });
  gauge('openlake_operator_leader', { help: '1 on the operator that holds the Lease.', value: () => (read.isLeader() ? 1 : 0) });
  return {
    registry,
    reconciles: new Counter({
      name: 'openlake_operator_reconciles_total',
      help: 'Passes over a resource.',
      labelNames: ['result'],
      registers,
    }),
    reconcileSeconds: new Histogram({
      name: 'openlake_operator_reconcile_seconds',
      help: 'Duration of a pass.',
      buckets: [0.01, 0.05, 0.1, 0.5, 1, 2, 5, 10],
      registers,
    }),
    statusWrites: new Counter({ name: 'openlake_operator_status_writes_total', help: 'Statuses that were written.', registers }),
    podRestarts: new Counter({ name: 'openlake_operator_pod_restarts_total', help: 'Pods deleted for a restart.', registers }),
    apiErrors: new Counter({ name: 'openlake_operator_api_errors_total', help: 'Requests and watches that failed.', registers }),
    sets: new Gauge({
      name: 'openlake_operator_sets',
      help: 'Erasure sets by state, as the nodes see them.',
      labelNames: ['namespace', 'name', 'state'],
      registers,
    }),
  };
}
