/** `openlake up`: runs a cluster as local processes. */
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { runInBackground } from '../local/background.ts';
import { dataPaths } from '../local/paths.ts';
import { readState } from '../local/state.ts';
import { runCluster } from '../local/supervisor.ts';
import { type Command, DATA_OPTION, parseOptions, print } from './command.ts';

const repository = path.resolve(import.meta.dirname, '../..');
const minimal = path.join(repository, 'crds/examples/minimal.yaml');

export const up: Command = {
  name: 'up',
  summary: 'run a cluster as processes on this machine',
  help: `Usage: openlake up [--file FILE] [--data DIR] [--detach]

Runs an OpenLakeCluster resource as local processes on 127.0.0.x: the same pods that Kubernetes would run. The first start
makes DIR with credentials, configuration and drives; later starts find the data there. Ctrl-C stops everything.

  -f, --file FILE  the resource, YAML (default: the one that DIR was made for, else crds/examples/minimal.yaml)
  --data DIR       the data directory (default: .openlake)
  --detach         return when the cluster is ready and leave it running; \`openlake down\` stops it
  --help           this text
`,
  run: async (args) => {
    const options = {
      ...DATA_OPTION,
      file: { type: 'string', short: 'f' },
      detach: { type: 'boolean', default: false },
      background: { type: 'boolean', default: false },
    } as const;
    const { values } = parseOptions(args, { options });
    const paths = dataPaths(values.data);
    const file = values.file ?? (readState(paths) === undefined ? minimal : undefined);
    if (values.detach) {
      const main = fileURLToPath(new URL('./main.ts', import.meta.url));
      const command = [
        process.execPath,
        main,
        'up',
        '--background',
        '--data',
        paths.root,
        ...(file === undefined ? [] : ['--file', path.resolve(file)]),
      ];
      await runInBackground(paths, { command, print });
      return 0;
    }
    await runCluster(paths, {
      file,
      // Tests put another program in the place of the node.
      applicationRoot: process.env['OPENLAKE_APPLICATION_ROOT'] ?? repository,
      nodeBinary: process.execPath,
      print,
      stop: stopSignal(),
      background: values.background,
    });
    return 0;
  },
};

/** Aborted by the first SIGINT, SIGTERM or SIGHUP. Further ones change nothing: the nodes' grace period bounds the wait. */
function stopSignal(): AbortSignal {
  const controller = new AbortController();
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => controller.abort());
  return controller.signal;
}
