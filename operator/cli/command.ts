/**
 * What every command of `openlake` shares: options, help, exit codes.
 *
 * Exit codes: 0 done, 1 failed, 2 wrong usage.
 */
import { type ParseArgsConfig, parseArgs } from 'node:util';

export type Command = {
  readonly name: string;
  /** One line for the list of commands. */
  readonly summary: string;
  /** What --help prints. */
  readonly help: string;
  /** Commands that hand their arguments on answer --help themselves. */
  readonly passesHelp?: true;
  /** Returns the exit code. Throws UsageError for wrong arguments, LocalError for what a user can mend. */
  readonly run: (args: readonly string[]) => Promise<number>;
};

export class UsageError extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'UsageError';
  }
}

type Options = NonNullable<ParseArgsConfig['options']>;

/** Options and positional arguments; `positionals` is how many of the latter are expected. Throws UsageError. */
export function parseOptions<const O extends Options>(
  args: readonly string[],
  expected: { readonly options: O; readonly positionals?: number },
): {
  readonly values: ReturnType<typeof parseArgs<{ options: O; args: string[]; allowPositionals: true; strict: true }>>['values'];
  readonly positionals: readonly string[];
} {
  const parsed = parse(args, expected.options);
  const count = expected.positionals ?? 0;
  if (parsed.positionals.length !== count) {
    throw new UsageError(`${parsed.positionals.length} arguments (${parsed.positionals.join(' ')}): expected ${count}`);
  }
  return parsed;
}

function parse<const O extends Options>(
  args: readonly string[],
  options: O,
): ReturnType<typeof parseArgs<{ options: O; args: string[]; allowPositionals: true; strict: true }>> {
  try {
    return parseArgs({ args: [...args], options, allowPositionals: true, strict: true });
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : String(error));
  }
}

/** The option that all commands on local clusters have. */
export const DATA_OPTION = { data: { type: 'string', default: '.openlake' } } as const;

export function print(text: string): void {
  process.stdout.write(`${text}\n`);
}
