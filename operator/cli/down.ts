/** `openlake down`: stops a local cluster. */
import { stopCluster } from '../local/down.ts';
import { dataPaths } from '../local/paths.ts';
import { type Command, DATA_OPTION, parseOptions, print } from './command.ts';

export const down: Command = {
  name: 'down',
  summary: 'stop a cluster that runs on this machine',
  help: `Usage: openlake down [--data DIR]

Stops the nodes and their supervisor. The data stays.

  --data DIR   the data directory (default: .openlake)
  --help       this text
`,
  run: async (args) => {
    const { values } = parseOptions(args, { options: DATA_OPTION });
    await stopCluster(dataPaths(values.data), print);
    return 0;
  },
};
