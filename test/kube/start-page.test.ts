/** docs/start.md, its commands for a Kubernetes cluster as they stand there, but for those that build images and forward ports. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { runProgram } from '../cluster/cluster.ts';
import { buildGoTools, toolPath } from '../provision/go-tools.mjs';
import { pythonFolder } from '../provision/python-clients.mjs';
import { root } from './helm.ts';
import { startKubeCluster } from './kube-cluster.ts';
import { sharedControlPlane } from './shared.ts';

const NAMESPACE = 'openlake';
/** Nothing here builds images or forwards ports, and what watches never ends. */
const LEFT_OUT = /docker |port-forward|--watch|AWS_ENDPOINT_URL/;

/** Lines of the shell blocks of a section, and commands in its text that begin with `kubectl label`. */
function commandsOf(page: string, title: string): string[] {
  const section = page.split(/^## /m).find((part) => part.startsWith(`${title}\n`)) ?? '';
  const found = [...section.matchAll(/```sh\n([\s\S]*?)```|`(kubectl label [^`]+)`/g)];
  return found
    .map(([, block, inline]) => block ?? `${inline}\n`)
    .flatMap((text) =>
      text
        .replaceAll(/\\\n\s*/g, ' ')
        .trim()
        .split('\n'),
    );
}

test('the commands of the page lead from nothing to an object, and back', async () => {
  buildGoTools(['helm']);
  const plane = await sharedControlPlane();
  await using cluster = await startKubeCluster(plane, { nodes: [{}, {}, {}, {}] });
  // The test bed installed the definition already: handed over as docs/operating/install.md says.
  const install = readFileSync(join(root, 'docs/operating/install.md'), 'utf8');
  const handOver = commandsOf(install, 'By Helm').filter((line) => / crd /.test(line));
  assert.equal(handOver.length, 2);
  const page = readFileSync(join(root, 'docs/start.md'), 'utf8');
  const there = commandsOf(page, 'On a Kubernetes cluster').filter((line) => !LEFT_OUT.test(line));
  const back = commandsOf(page, 'Clean up');
  assert.ok(there.length >= 12 && back.length >= 2, `${there.length} and ${back.length} commands`);
  const run = (script: readonly string[]): ReturnType<typeof runProgram> =>
    runProgram('bash', {
      args: ['-euo', 'pipefail', '-c', `cd "${root}"\n${script.join('\n')}`],
      env: {
        PATH: [dirname(toolPath('kubectl')), dirname(toolPath('helm')), join(pythonFolder, 'bin'), process.env['PATH']].join(':'),
        KUBECONFIG: plane.adminKubeconfig,
        HOME: plane.folder,
        AWS_CONFIG_FILE: '/dev/null',
        AWS_EC2_METADATA_DISABLED: 'true',
        // In place of the forwarded port: the node that the page does not take away.
        AWS_ENDPOINT_URL: `http://${cluster.nodes[3]?.address}:9000`,
      },
    });
  const went = await run([...handOver, ...there]);
  assert.equal(went.code, 0, `${went.stdout}\n${went.stderr}`);
  assert.equal(went.stdout.match(/^same$/gm)?.length, 2, went.stdout);
  const came = await run(back);
  assert.equal(came.code, 0, `${came.stdout}\n${came.stderr}`);
  const left = await plane.kubectlMust('get', 'openlakeclusters,daemonsets,deployments,services,secrets', '-n', NAMESPACE, '-o', 'name');
  assert.deepEqual(left.trim().split('\n').toSorted(), ['secret/trial-identity', 'secret/trial-root']);
  assert.match(await plane.kubectlMust('get', 'crd', '-o', 'name'), /openlakeclusters/);
  const removal = /`(kubectl -n openlake delete secret [^`]+)`/.exec(page)?.[1] ?? 'false';
  assert.equal((await run([removal])).code, 0);
});
