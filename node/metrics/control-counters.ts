/** What the control plane itself counts: control operations by name and status, and their time. */
import type { Sample } from './definitions.ts';

/** Totals since the start. */
export class ControlCounters {
  readonly #requests = new Map<string, { readonly operation: string; readonly status: string; count: number }>();
  readonly #seconds = new Map<string, number>();

  /** Counts one request. */
  count(request: { readonly operation: string; readonly status: number; readonly milliseconds: number }): void {
    const status = String(request.status);
    const key = `${request.operation} ${status}`;
    const row = this.#requests.get(key) ?? { operation: request.operation, status, count: 0 };
    row.count += 1;
    this.#requests.set(key, row);
    this.#seconds.set(request.operation, (this.#seconds.get(request.operation) ?? 0) + request.milliseconds / 1000);
  }

  /** The totals. */
  samples(): Sample[] {
    const requests = [...this.#requests.values()].map(
      ({ operation, status, count }): Sample => ({ metric: 'controlRequests', labels: { operation, status }, value: count }),
    );
    const seconds = [...this.#seconds].map(([operation, value]): Sample => ({ metric: 'controlSeconds', labels: { operation }, value }));
    return [...requests, ...seconds];
  }
}
