/**
 * Checks a resource as the API server does, and says what is wrong in words: field, value, expectation.
 *
 * The reconciler repeats it, because the API server lets old invalid fields through; `openlake up` relies on it alone.
 */
import { check, type Problem } from '../../node/config/check.ts';
import { ClusterSchema, type OpenLakeCluster } from './cluster.ts';
import {
  drivesRules,
  ioRules,
  networkRules,
  networkTransitions,
  nodesRules,
  peerTlsRules,
  podRules,
  poolRules,
  poolsRules,
  poolsTransitions,
  poolTransitions,
  type Rule,
  specTransitions,
  type Transition,
} from './rules.ts';

export type ValidationResult =
  | { readonly kind: 'ok'; readonly cluster: OpenLakeCluster }
  | { readonly kind: 'invalid'; readonly problems: readonly Problem[] };

/**
 * Checks a parsed document; with `previous`, also what may not change.
 *
 * Returns the resource with defaults filled in, or every problem.
 */
export function validateCluster(document: unknown, previous?: OpenLakeCluster): ValidationResult {
  const { value, problems } = check(ClusterSchema, document);
  if (problems.length > 0) return { kind: 'invalid', problems };
  const cluster = value as OpenLakeCluster;
  const broken = [...checkRules(cluster), ...(previous === undefined ? [] : checkTransitions(cluster, previous))];
  return broken.length > 0 ? { kind: 'invalid', problems: broken } : { kind: 'ok', cluster };
}

function checkRules(cluster: OpenLakeCluster): Problem[] {
  const { pools, network, io, pod, tls } = cluster.spec;
  return [
    ...uniqueEntries(cluster),
    ...apply(poolsRules, { self: pools, path: 'spec.pools' }),
    ...pools.flatMap((pool, index) => [
      ...apply(nodesRules, { self: pool.nodes, path: `spec.pools[${index}].nodes` }),
      ...apply(drivesRules, { self: pool.drives, path: `spec.pools[${index}].drives` }),
      ...apply(poolRules, { self: pool, path: `spec.pools[${index}]` }),
    ]),
    ...apply(networkRules, { self: network, path: 'spec.network' }),
    ...apply(ioRules, { self: io, path: 'spec.io' }),
    ...apply(podRules, { self: pod, path: 'spec.pod' }),
    ...apply(peerTlsRules, { self: tls.peer, path: 'spec.tls.peer' }),
  ];
}

function checkTransitions(cluster: OpenLakeCluster, previous: OpenLakeCluster): Problem[] {
  return [
    ...applyTransitions(specTransitions, { self: cluster.spec, old: previous.spec, path: 'spec' }),
    ...applyTransitions(networkTransitions, { self: cluster.spec.network, old: previous.spec.network, path: 'spec.network' }),
    ...applyTransitions(poolsTransitions, { self: cluster.spec.pools, old: previous.spec.pools, path: 'spec.pools' }),
    ...cluster.spec.pools.flatMap((pool, index) => {
      const old = previous.spec.pools.find((other) => other.name === pool.name);
      return old === undefined ? [] : applyTransitions(poolTransitions, { self: pool, old, path: `spec.pools[${index}]` });
    }),
  ];
}

/** What the API server checks by the types of lists: a map's keys, a set's entries. */
function uniqueEntries(cluster: OpenLakeCluster): Problem[] {
  const { pools } = cluster.spec;
  const lists = [
    { path: 'spec.pools', field: '.name', entries: pools.map((pool) => pool.name) },
    ...pools.map((pool, index) => ({ path: `spec.pools[${index}].nodes.names`, field: '', entries: pool.nodes.names ?? [] })),
  ];
  return lists.flatMap(({ path, field, entries }) =>
    entries.flatMap((entry, index) => {
      const first = entries.indexOf(entry);
      return first === index ? [] : [{ path: `${path}[${index}]${field}`, value: entry, expected: `another one than at [${first}]` }];
    }),
  );
}

function apply<Self>(rules: readonly Rule<Self>[], at: { readonly self: Self; readonly path: string }): Problem[] {
  return rules.flatMap((rule) => {
    const violation = rule.broken(at.self);
    return violation === undefined ? [] : [{ path: join(at.path, violation.field), value: violation.value, expected: rule.expected }];
  });
}

function applyTransitions<Self>(
  rules: readonly Transition<Self>[],
  at: { readonly self: Self; readonly old: Self; readonly path: string },
): Problem[] {
  return rules.flatMap((rule) => {
    const violation = rule.broken(at.self, at.old);
    return violation === undefined ? [] : [{ path: join(at.path, violation.field), value: violation.value, expected: rule.expected }];
  });
}

function join(path: string, field: string): string {
  return field === '' ? path : `${path}.${field}`;
}
