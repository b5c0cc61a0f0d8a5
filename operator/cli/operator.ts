/** `openlake operator`: runs the operator against an API server, from anywhere. */
import { LocalError } from '../local/local-error.ts';
import { operatorHelp } from '../main/help.ts';
import type { Command } from './command.ts';

export const operator: Command = {
  name: 'operator',
  summary: 'run the operator against a Kubernetes API server',
  help: operatorHelp,
  run: async (args) => {
    try {
      // Loaded on demand: the other commands need no Kubernetes library.
      const { operatorProcess } = await import('../main.ts');
      return await operatorProcess(args);
    } catch (error) {
      throw new LocalError(`Cannot run the operator: ${error instanceof Error ? error.message : String(error)}`);
    }
  },
};
