/** `openlake local`: stops or starts one node of a running local cluster, as a person with a pulled plug would. */
import { parseSignal, sendOrder } from '../local/control.ts';
import { LocalError } from '../local/local-error.ts';
import { dataPaths } from '../local/paths.ts';
import { readSecrets } from '../local/secrets.ts';
import { readState } from '../local/state.ts';
import { type Command, DATA_OPTION, parseOptions, print, UsageError } from './command.ts';

export const local: Command = {
  name: 'local',
  summary: 'stop or start one node of a cluster on this machine',
  help: `Usage: openlake local stop-node NAME [--signal SIGNAL] [--data DIR]
       openlake local start-node NAME [--data DIR]

A node that is stopped this way stays down until it is started again; one that ends by itself is restarted.

  --signal SIGNAL  TERM (default: drain and end), KILL (as a power cut of one node), INT, QUIT or ABRT
  --data DIR       the data directory (default: .openlake)
  --help           this text
`,
  run: async (args) => {
    const { values, positionals } = parseOptions(args, { options: { ...DATA_OPTION, signal: { type: 'string' } }, positionals: 2 });
    const [verb = '', name = ''] = positionals;
    if (verb !== 'stop-node' && verb !== 'start-node') throw new UsageError(`no command local ${verb}: expected stop-node or start-node`);
    const signal = parseSignal(values.signal ?? 'TERM');
    if (signal === undefined) throw new UsageError(`--signal ${values.signal}: expected TERM, KILL, INT, QUIT or ABRT`);
    const paths = dataPaths(values.data);
    const control = readState(paths)?.control;
    const secrets = readSecrets(paths);
    if (control === undefined || secrets === undefined) throw new LocalError(`No cluster runs in ${paths.root}`);
    const order = verb === 'stop-node' ? ({ kind: 'stop', name, signal } as const) : ({ kind: 'start', name } as const);
    try {
      const reply = await sendOrder(order, { control, token: secrets.adminToken });
      if (reply.status !== 200) throw new LocalError(reply.message);
      print(reply.message);
      return 0;
    } catch (error) {
      if (error instanceof LocalError) throw error;
      throw new LocalError(
        `The supervisor of ${paths.root} does not answer at ${control}: ${error instanceof Error ? error.message : String(error)}`,
      );
    }
  },
};
