/** What a user reads when the cluster is ready: where it is, how to get in, what to try. Pure. */
import path from 'node:path';
import type { OpenLakeCluster } from '../api/cluster.ts';
import type { ClusterSecrets } from '../desired/config.ts';
import type { DataPaths } from './paths.ts';
import type { LocalState } from './state.ts';

export type ReadyTextInput = {
  readonly cluster: OpenLakeCluster;
  readonly secrets: ClusterSecrets;
  readonly endpoint: string;
  readonly state: LocalState;
  readonly paths: DataPaths;
  readonly background: boolean;
  readonly tookMs: number;
};

export function readyText(input: ReadyTextInput): string {
  const { state, secrets, endpoint, paths } = input;
  const root = secrets.credentials[0];
  const pools = (state.layout?.pools ?? []).map((pool) => {
    return `${pool.setSize - pool.parity}+${pool.parity}: writes go on without ${countNodes(pool.writesLose.nodes)}, reads without ${countNodes(pool.readsLose.nodes)}`;
  });
  const folder = path.relative('', paths.root);
  const shown = folder.startsWith('..') ? paths.root : folder || '.';
  return [
    '',
    `Cluster ${input.cluster.metadata.name} is ready after ${(input.tookMs / 1000).toFixed(1)} s: ${state.members.length} nodes, ${pools.join('; ')}`,
    '',
    `  endpoint    ${endpoint}`,
    `  access key  ${root?.accessKey}`,
    `  secret key  ${root?.secretKey}`,
    `  data        ${shown} (credentials in ${shown}/env)`,
    '',
    'Try it:',
    '',
    `  . ${shown.startsWith('/') ? '' : './'}${shown}/env`,
    '  aws s3 mb s3://demo',
    '  aws s3 cp package.json s3://demo/',
    '  aws s3 ls s3://demo/',
    '',
    input.background ? `It runs in the background; \`openlake down --data ${shown}\` stops it.` : 'Ctrl-C stops it; the data stays.',
    '',
  ].join('\n');
}

function countNodes(count: number): string {
  return count === 1 ? '1 node' : `${count} nodes`;
}
