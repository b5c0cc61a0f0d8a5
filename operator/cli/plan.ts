/** `openlake plan`: what would be applied for a resource, without doing anything. */
import { availableParallelism, totalmem } from 'node:os';
import { stringify } from 'yaml';
import type { OpenLakeCluster } from '../api/cluster.ts';
import { defaultPeerName, type PeerTlsSettings } from '../desired/peer-tls.ts';
import { LocalError } from '../local/local-error.ts';
import { localCandidates, localize, localNodeNames } from '../local/localize.ts';
import { dataPaths } from '../local/paths.ts';
import { readDocument, readResource } from '../local/resource.ts';
import { readState } from '../local/state.ts';
import { plan as makePlan } from '../plan/plan.ts';
import { type Command, DATA_OPTION, parseOptions, print, UsageError } from './command.ts';

/** Stands for every secret, so that a plan can be shown to anyone. */
const HIDDEN = '0'.repeat(32);

export const plan: Command = {
  name: 'plan',
  summary: 'print the objects that a resource stands for',
  help: `Usage: openlake plan [--file FILE] [--data DIR] [--json]

Prints members, layout with what it tolerates, and the Kubernetes objects (secrets as zeros) that \`openlake up\` would run.

  -f, --file FILE  the resource, YAML (default: the one that DIR was made for)
  --data DIR       the data directory, whose members and layout are kept (default: .openlake)
  --json           JSON instead of YAML
  --help           this text
`,
  run: async (args) => {
    const { values } = parseOptions(args, {
      options: { ...DATA_OPTION, file: { type: 'string', short: 'f' }, json: { type: 'boolean', default: false } },
    });
    const state = readState(dataPaths(values.data));
    if (values.file === undefined && state === undefined)
      throw new UsageError('no resource: expected --file, or --data with the directory of a cluster');
    const recorded = values.file === undefined ? state : undefined;
    const resource = values.file === undefined ? state?.cluster : readResource({ file: values.file, document: readDocument(values.file) });
    if (resource === undefined) throw new UsageError('no resource');
    const { cluster, notes } = localize(resource, { cores: availableParallelism(), memoryBytes: totalmem() });
    const names = localNodeNames(cluster);
    const result = makePlan({
      cluster,
      candidates: localCandidates(
        names,
        names.map((_, index) => `127.0.0.${index + 1}`),
      ),
      secrets: {
        peerSecrets: [HIDDEN],
        adminToken: HIDDEN,
        credentials: [{ accessKey: 'HIDDEN', secretKey: HIDDEN }],
        peerTls: hiddenPeerTls(cluster),
      },
      recorded: {
        clusterId: recorded?.clusterId ?? HIDDEN,
        bootstrapped: recorded?.bootstrapped ?? false,
        members: recorded?.members ?? [],
        layout: recorded?.layout,
      },
    });
    if (result.kind === 'blocked') throw new LocalError(`${result.reason}: ${result.message}`);
    const { config, serviceAccount, services, daemonSets, guard } = result.children;
    const objects = [
      config,
      ...(serviceAccount === undefined ? [] : [serviceAccount]),
      ...services,
      ...daemonSets,
      ...(guard === undefined ? [] : [guard.deployment, guard.budget]),
    ];
    const summary = { members: result.members, layout: result.layout, warnings: result.warnings, notes };
    if (values.json) print(JSON.stringify({ ...summary, objects }, null, 2));
    else
      print(
        [summary, ...objects]
          .map((object) => stringify(object, { version: '1.1', aliasDuplicateObjects: false, lineWidth: 0 }))
          .join('---\n'),
      );
    return 0;
  },
};

/** The files of certificates are named by their content, so here by that of placeholders. */
function hiddenPeerTls(cluster: OpenLakeCluster): PeerTlsSettings | undefined {
  const { mode, name = defaultPeerName(cluster) } = cluster.spec.tls.peer;
  if (mode === 'Disabled') return undefined;
  return { mode: mode === 'Require' ? 'require' : 'accept', name, certificate: HIDDEN, key: HIDDEN, authority: HIDDEN };
}
