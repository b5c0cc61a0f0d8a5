/**
 * HTTP probes of pods, executed as the kubelet does: a success is a status from 200 to 399 within the timeout.
 */

import http from 'node:http';
import type { V1Probe } from '@kubernetes/client-node';

export type ProbeResult = { readonly ok: boolean; readonly detail: string };

export type HttpProbe = {
  readonly address: string;
  readonly port: number;
  readonly path: string;
  readonly periodMs: number;
  readonly timeoutMs: number;
  readonly failureThreshold: number;
};

/** The probe of a container on the host network with `address`. Throws when it is not an HTTP probe with a port number. */
export function httpProbe(probe: V1Probe, address: string): HttpProbe {
  const { httpGet } = probe;
  if (httpGet?.path === undefined || typeof httpGet.port !== 'number') {
    throw new Error(`Cannot run probe ${JSON.stringify(probe)}: expected httpGet with a path and a port number`);
  }
  return {
    address,
    port: httpGet.port,
    path: httpGet.path,
    periodMs: (probe.periodSeconds ?? 10) * 1000,
    timeoutMs: (probe.timeoutSeconds ?? 1) * 1000,
    failureThreshold: probe.failureThreshold ?? 3,
  };
}

/** Asks once; never throws. */
export function runProbe(probe: HttpProbe): Promise<ProbeResult> {
  return new Promise((resolve) => {
    const request = http.get(
      { host: probe.address, port: probe.port, path: probe.path, agent: false, timeout: probe.timeoutMs },
      (response) => {
        const status = response.statusCode ?? 0;
        response.resume();
        resolve({ ok: status >= 200 && status < 400, detail: `${probe.path} answers ${status}` });
      },
    );
    request.on('timeout', () => request.destroy(new Error(`no answer within ${probe.timeoutMs} ms`)));
    request.on('error', (error) => resolve({ ok: false, detail: `${probe.path}: ${error.message}` }));
  });
}
