/** The operator's image on a real API server: started as its pod would be, with the rights that the chart gives and no others. */
import assert from 'node:assert/strict';
import { chownSync, copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { parse } from 'yaml';
import type { Json } from './api-client.ts';
import { startControlPlane } from './control-plane.ts';
import { helmMust, operatorChart, root } from './helm.ts';
import { buildImage, runBeside, startInImage } from './images.ts';
import { freePort } from './service.ts';

const USER = 65532;
const CLUSTER = '/apis/openlake.dev/v1alpha1/namespaces/openlake/openlakeclusters/minimal';

/** Polls until `probe` gives something; throws with the log otherwise. */
async function eventually<T>(what: string, logFile: string, probe: () => Promise<T | undefined>): Promise<T> {
  for (let attempt = 0; attempt < 600; attempt += 1) {
    const found = await probe();
    if (found !== undefined) return found;
    await sleep(100);
  }
  throw new Error(`waited for ${what} in vain:\n${readFileSync(logFile, 'utf8')}`);
}

test('the operator of the image reconciles under the chart’s rights, read-only and as nobody', async () => {
  await using plane = await startControlPlane();
  await using image = await buildImage('operator');
  const folder = mkdtempSync(join(tmpdir(), 'openlake-operator-image-'));
  try {
    await helmMust(
      'install',
      'openlake-operator',
      operatorChart,
      '--kubeconfig',
      plane.adminKubeconfig,
      '--namespace',
      'openlake',
      '--create-namespace',
    );
    const access = join(folder, 'access');
    mkdirSync(access);
    copyFileSync(await plane.serviceAccountKubeconfig('openlake', 'openlake-operator'), join(access, 'kubeconfig'));
    for (const path of [access, join(access, 'kubeconfig')]) chownSync(path, USER, USER);
    const port = await freePort();
    const words = ['--kubeconfig', '/etc/access/kubeconfig', '--namespace', 'openlake', '--health-address', `127.0.0.1:${port}`];
    const logFile = join(folder, 'operator.log');
    const operator = startInImage(image, {
      name: 'operator',
      command: [...image.config.Entrypoint, ...words],
      mounts: { [access]: '/etc/access:ro' },
      env: { POD_NAME: 'operator-0', POD_NAMESPACE: 'openlake' },
      logFile,
    });
    try {
      await eventually('the operator to be ready', logFile, async () => {
        assert.equal(operator.ended(), undefined, readFileSync(logFile, 'utf8'));
        const answer = await fetch(`http://127.0.0.1:${port}/readyz`).catch(() => undefined);
        return answer?.ok === true ? true : undefined;
      });
      const check = image.config.Healthcheck?.Test.slice(1).map((word) => word.replace('8081', String(port))) ?? [];
      assert.equal((await runBeside(operator, { image, command: check })).code, 0);
      await plane.kubectlMust('wait', '--for=condition=Established', 'crd/openlakeclusters.openlake.dev', '--timeout=30s');
      const minimal = parse(readFileSync(join(root, 'crds/examples/minimal.yaml'), 'utf8')) as Json;
      await plane.apply({ ...minimal, metadata: { name: 'minimal', namespace: 'openlake' } });
      const ready = await eventually('a status', logFile, async () => {
        const { status } = (await plane.admin.must('GET', CLUSTER)) as { readonly status?: Json };
        return ((status?.['conditions'] ?? []) as Json[]).find((condition) => condition['type'] === 'Ready');
      });
      // There are no Nodes at all here, and it says so.
      assert.equal(ready['status'], 'False', JSON.stringify(ready));
      assert.doesNotMatch(readFileSync(logFile, 'utf8'), /forbidden/i);
    } finally {
      await operator.stop();
    }
    assert.equal(operator.ended(), 'ended with 0', readFileSync(logFile, 'utf8'));
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});
