/** The one control plane of a test process, with our CRD installed; ended after the last test. */

import { join } from 'node:path';
import { after } from 'node:test';
import { type ControlPlane, startControlPlane } from './control-plane.ts';

export const root: string = join(import.meta.dirname, '..', '..');

let plane: Promise<ControlPlane> | undefined;

async function start(): Promise<ControlPlane> {
  const started = await startControlPlane();
  try {
    await started.kubectlMust('apply', '--server-side', '-f', join(root, 'crds/openlake.dev_openlakeclusters.yaml'));
    await started.kubectlMust('wait', '--for=condition=Established', '--timeout=60s', 'crd/openlakeclusters.openlake.dev');
  } catch (error) {
    await started[Symbol.asyncDispose]();
    throw error;
  }
  return started;
}

/** The control plane; started at the first call. */
export function sharedControlPlane(): Promise<ControlPlane> {
  plane ??= start();
  return plane;
}

after(async () => {
  await (await plane?.catch(() => undefined))?.[Symbol.asyncDispose]();
});

let namespaces = 0;

/** A namespace of its own for a test, in which storage pods may run. */
export async function createNamespace(control: ControlPlane): Promise<string> {
  const name = `test-${process.pid}-${(namespaces += 1)}`;
  await control.admin.must('POST', '/api/v1/namespaces', {
    body: { apiVersion: 'v1', kind: 'Namespace', metadata: { name, labels: { 'pod-security.kubernetes.io/enforce': 'privileged' } } },
  });
  // Pods need the default ServiceAccount only where they name none, but its absence would be a race.
  return name;
}
