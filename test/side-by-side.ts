/**
 * Runs stages side by side: those that compute take turns, those that mostly wait run beside them, a few at once. What a stage prints goes
 * to a file, is shown whole when the stage ends, and its end once more at the very end if it failed.
 */
import { spawn } from 'node:child_process';
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Stage } from './stages.ts';

const root = join(import.meta.dirname, '..');

/** Lines of a failed stage that are shown again at the end: test runners sum up there what failed. */
const SHOWN_AGAIN = 80;

/** What computes leaves the processors to what waits for a moment of them: tests of running servers stay as quick as alone. */
const POLITE = ['nice', '-n', '5'];

/** A shell that notes its processor time and that of all it waited for, as every POSIX shell can, and passes the exit code on. */
const TIMED = '"$@"; code=$?; times > "$0"; exit $code';

export type StageResult = {
  readonly stage: Stage;
  readonly passed: boolean;
  readonly tookS: number;
  /** Of all processes that the stage waited for; servers that it leaves to end by themselves are not among them. */
  readonly processorS: number;
  readonly output: string;
};

/** Seconds in the output of `times`: `1m2.50s 0m0.25s` for the shell, then for its children. */
function secondsOf(times: string): number {
  const found = [...times.matchAll(/(\d+)m([\d.,]+)s/g)];
  return found.reduce((sum, [, minutes, seconds]) => sum + Number(minutes) * 60 + Number(seconds?.replace(',', '.')), 0);
}

/** Runs one command to its end, its output appended to a file (shown at once without one). */
async function runCommand(
  command: readonly string[],
  files: { readonly output: number | 'inherit'; readonly times: string },
): Promise<{ readonly passed: boolean; readonly processorS: number }> {
  const child = spawn('sh', ['-c', TIMED, files.times, ...command], { cwd: root, stdio: ['ignore', files.output, files.output] });
  const passed = await new Promise<boolean>((resolve) => {
    child.once('error', () => resolve(false));
    child.once('exit', (code) => resolve(code === 0));
  });
  return { passed, processorS: secondsOf(readFileSync(files.times, 'utf8')) };
}

/** Runs the commands of a stage one after the other, up to the first that fails. */
async function runStage(stage: Stage, options: { readonly folder: string; readonly shown: boolean }): Promise<StageResult> {
  const startedMs = performance.now();
  const path = fileOf(stage, options.folder);
  const file = openSync(path, 'a');
  const times = `${path}.times`;
  let passed = true;
  let processorS = 0;
  let failed = '';
  for (const command of stage.commands) {
    closeSync(openSync(times, 'w'));
    const polite = stage.lane === 'computing' && !options.shown ? POLITE : [];
    const ended = await runCommand([...polite, ...command], { output: options.shown ? 'inherit' : file, times });
    processorS += ended.processorS;
    passed = ended.passed;
    if (passed) continue;
    failed = `--- failed: ${command.slice(0, 7).join(' ')}\n`;
    break;
  }
  closeSync(file);
  return { stage, passed, tookS: (performance.now() - startedMs) / 1000, processorS, output: `${readFileSync(path, 'utf8')}${failed}` };
}

/** A stage in one line. */
export function lineOf({ stage, passed, tookS, processorS }: StageResult): string {
  return `${stage.name}: ${passed ? 'passed' : 'FAILED'} in ${tookS.toFixed(1)} s (${processorS.toFixed(1)} s of processor time)`;
}

/** The end of what a failed stage printed, or all of it. */
export function endOf(result: StageResult): string {
  const lines = result.output.trimEnd().split('\n');
  const left = lines.length > SHOWN_AGAIN ? [`(${lines.length - SHOWN_AGAIN} more lines above)`] : [];
  return [`\n=== ${result.stage.name}, the end of what it printed`, ...left, ...lines.slice(-SHOWN_AGAIN)].join('\n');
}

/**
 * Runs all stages, of those that wait `waitingAtOnce` at a time; resolves with their results in the order of `stages`. One that is alone
 * is shown as it goes.
 */
export async function runSideBySide(
  stages: readonly Stage[],
  options: { readonly waitingAtOnce: number; readonly say: (text: string) => void },
): Promise<readonly StageResult[]> {
  const folder = mkdtempSync(join(tmpdir(), 'openlake-run-'));
  const results = new Map<Stage, StageResult>();
  const shown = stages.length === 1;
  const runNext = async (queue: Stage[]): Promise<void> => {
    for (let stage = queue.shift(); stage !== undefined; stage = queue.shift()) {
      options.say(`=== ${stage.name} has begun${shown ? '' : `: ${fileOf(stage, folder)}`}`);
      const result = await runStage(stage, { folder, shown });
      results.set(stage, result);
      options.say(`${result.output}=== ${lineOf(result)}\n`);
    }
  };
  const computing = stages.filter((stage) => stage.lane === 'computing');
  const waiting = stages.filter((stage) => stage.lane === 'waiting');
  await Promise.all([runNext(computing), ...Array.from({ length: options.waitingAtOnce }, () => runNext(waiting))]);
  rmSync(folder, { recursive: true });
  return stages.flatMap((stage) => results.get(stage) ?? []);
}

/** Where the output of a stage goes. */
function fileOf(stage: Stage, folder: string): string {
  return join(folder, stage.name.replaceAll(' ', '-'));
}
