/**
 * The node's metrics in Prometheus' text form.
 *
 * All values are totals and states that live elsewhere; each scrape reads them once and renders them. So nothing on the
 * path of a request touches a metric object.
 */
import { Counter, Gauge, Registry } from 'prom-client';
import { type MetricDefinition, type MetricKey, metricDefinitions, type Sample } from './definitions.ts';

/** Renders samples; `contentType` belongs to the text. */
export type MetricsRenderer = {
  readonly contentType: string;
  render(samples: readonly Sample[]): Promise<string>;
};

/** A registry of its own with every metric of definitions.ts. */
export function createMetrics(): MetricsRenderer {
  const registry = new Registry();
  const metrics = new Map<MetricKey, Counter | Gauge>();
  for (const [key, definition] of Object.entries(metricDefinitions) as [MetricKey, MetricDefinition][]) {
    const options = { name: definition.name, help: definition.help, labelNames: [...definition.labels], registers: [registry] };
    metrics.set(key, definition.kind === 'counter' ? new Counter(options) : new Gauge(options));
  }
  return {
    contentType: registry.contentType,
    async render(samples) {
      registry.resetMetrics();
      for (const sample of samples) metrics.get(sample.metric)?.inc(sample.labels, sample.value);
      return await registry.metrics();
    },
  };
}
