/** Resources of clusters of any size for the fault tests: one drive a node, budgets small enough that twelve fit on one machine. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { stringify } from 'yaml';

/** k and m; the cluster has k + m nodes with one drive each, so that a lost node is a lost slot. */
export type Shape = { readonly data: number; readonly parity: number };

/** What the tests run on. */
export const SHAPES: readonly Shape[] = [
  { data: 2, parity: 2 },
  { data: 4, parity: 2 },
  { data: 8, parity: 4 },
];

export function nodesOf({ data, parity }: Shape): number {
  return data + parity;
}

export function nameOf({ data, parity }: Shape): string {
  return `${data}+${parity}`;
}

/** Writes the resource of a shape into `folder`; returns its path. */
export function writeResource(shape: Shape, folder: string): string {
  const nodes = nodesOf(shape);
  const path = join(folder, `faults-${nodes}.yaml`);
  const resource = {
    apiVersion: 'openlake.dev/v1alpha1',
    kind: 'OpenLakeCluster',
    metadata: { name: `faults-${nodes}` },
    spec: {
      version: '0.1.0',
      pools: [
        {
          name: 'p0',
          nodes: { count: nodes, gpu: 'Ignore', rdma: 'Ignore' },
          drives: { directories: { parent: '/mnt/openlake', names: ['d0'], mountCheck: 'Directory' } },
          erasure: { setSize: nodes, parity: shape.parity },
        },
      ],
      io: { memory: '128Mi', cores: 1 },
    },
  };
  writeFileSync(path, stringify(resource));
  return path;
}
