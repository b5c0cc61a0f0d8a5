/** The operator as a process of its own: `node operator/main.ts`, in a pod or with --kubeconfig. */
import { hostname } from 'node:os';
import { operatorHelp } from './main/help.ts';
import { runOperator } from './main/operator.ts';
import { readOptions } from './main/options.ts';

/** Runs the operator with these arguments; returns the exit code. Throws Error for wrong arguments. */
export async function operatorProcess(args: readonly string[]): Promise<number> {
  const controller = new AbortController();
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => controller.abort());
  const options = readOptions(args, { env: process.env, fallbackIdentity: `${hostname()}-${process.pid}-${Date.now().toString(36)}` });
  return await runOperator(options, {
    stop: controller.signal,
    writeLine: (line) => process.stdout.write(`${line}\n`),
    nowMs: Date.now,
  });
}

if (import.meta.main) {
  const args = process.argv.slice(2);
  if (args.includes('--help')) {
    process.stdout.write(operatorHelp);
    process.exit(0);
  }
  try {
    process.exit(await operatorProcess(args));
  } catch (error) {
    process.stderr.write(`openlake operator: ${error instanceof Error ? error.message : String(error)}\n`);
    process.exit(1);
  }
}
