#!/usr/bin/env node
/** The `openlake` command: finds the command, runs it, turns errors into messages and exit codes. */
import { LocalError } from '../local/local-error.ts';
import { type Command, print, UsageError } from './command.ts';
import { down } from './down.ts';
import { local } from './local.ts';
import { operator } from './operator.ts';
import { bench, drive, node } from './pass-on.ts';
import { plan } from './plan.ts';
import { status } from './status.ts';
import { up } from './up.ts';

const commands: readonly Command[] = [up, down, status, plan, local, operator, node, bench, drive];

const help = `Usage: openlake COMMAND [OPTIONS]

An S3-compatible, erasure-coded object store.

${commands.map((command) => `  ${command.name.padEnd(10)}${command.summary}`).join('\n')}

\`openlake COMMAND --help\` says more. Exit codes: 0 done, 1 failed, 2 wrong usage.
`;

/** Runs the command in `args` and returns the exit code. */
async function main(args: readonly string[]): Promise<number> {
  const [name, ...rest] = args;
  if (name === '--help' || name === '-h' || name === 'help') {
    print(help);
    return 0;
  }
  const command = commands.find((candidate) => candidate.name === name);
  try {
    if (command === undefined)
      throw new UsageError(
        name === undefined ? 'no command' : `no command ${name}: expected one of ${commands.map((candidate) => candidate.name).join(', ')}`,
      );
    if (command.passesHelp !== true && (rest.includes('--help') || rest.includes('-h'))) {
      print(command.help);
      return 0;
    }
    return await command.run(rest);
  } catch (error) {
    if (error instanceof UsageError) {
      process.stderr.write(`openlake: ${error.message}\n\n${command?.help ?? help}`);
      return 2;
    }
    if (!(error instanceof LocalError)) throw error;
    process.stderr.write(`openlake: ${error.message}\n`);
    return 1;
  }
}

// Whoever read our output may be gone (`| head`); a cluster must not fall with its reader.
process.stdout.on('error', () => undefined);
process.exit(await main(process.argv.slice(2)));
