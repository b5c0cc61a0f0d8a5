/**
 * `openlake drive`: looks at a drive while its node is stopped. The work is done by native code; this file says what to do and shows
 * what came of it.
 *
 * Exit codes: 0 done and sound, 1 errors were found or it could not be done, 2 wrong usage.
 */
import { parseArgs } from 'node:util';
import { inspectDrive, orderDriveRebuild, rebuildDriveIndex, verifyDrive } from '../engine/drive-tool.ts';
import { formatInspection, formatRebuilt, formatVerification } from './drive-report.ts';

const HELP = `Usage: openlake drive inspect|verify|rebuild-index DIR [--at-start] [--json]

Looks at the drive in DIR. Its node must be stopped: a drive in use is refused.

  inspect        what is on it: identity, roots, checkpoint, index, space
  verify         reads every row and record and compares records, space, the cleaner's accounts and the index with what the log says;
                 bulk bytes are not read (a scrub does that)
  rebuild-index  makes the index anew from the log, as a start does that finds no checkpoint; with --at-start not now, but
                 when the node starts the next time, beside its work

  --json         the same as one JSON document
  --help         this text
`;

type Action = 'inspect' | 'verify' | 'rebuild-index';
type Request = { readonly action: Action; readonly path: string; readonly atStart: boolean; readonly json: boolean };

/** The request in `words`, or why they are none. */
function parseWords(words: readonly string[]): Request | string {
  try {
    const options = { 'at-start': { type: 'boolean' }, json: { type: 'boolean' } } as const;
    const { values, positionals } = parseArgs({ args: [...words], options, allowPositionals: true });
    const [action, path, ...more] = positionals;
    if (action !== 'inspect' && action !== 'verify' && action !== 'rebuild-index') {
      return `the action is '${action ?? ''}': expected inspect, verify or rebuild-index`;
    }
    if (path === undefined || more.length > 0) return `${positionals.length - 1} directories: expected one`;
    const atStart = values['at-start'] === true;
    if (atStart && action !== 'rebuild-index') return '--at-start goes with rebuild-index only';
    return { action, path, atStart, json: values.json === true };
  } catch (error) {
    return messageOf(error);
  }
}

async function run({ action, path, atStart, json }: Request): Promise<number> {
  const show = <T>(found: T, format: (found: T) => string): void => console.log(json ? JSON.stringify(found, null, 2) : format(found));
  if (action === 'inspect') {
    show(await inspectDrive(path), formatInspection);
    return 0;
  }
  if (atStart) {
    await orderDriveRebuild(path);
    show({ ordered: true }, () => 'the index will be made anew when the node starts');
    return 0;
  }
  if (action === 'rebuild-index') {
    show(await rebuildDriveIndex(path), formatRebuilt);
    return 0;
  }
  const found = await verifyDrive(path);
  show(found, formatVerification);
  return found.errorCount === 0 ? 0 : 1;
}

async function main(): Promise<number> {
  const words = process.argv.slice(2);
  if (words.length === 0 || words.includes('--help') || words.includes('-h')) {
    console.log(HELP);
    return words.length === 0 ? 2 : 0;
  }
  const request = parseWords(words);
  if (typeof request === 'string') {
    console.error(`openlake drive: ${request}\nTry 'openlake drive --help'.`);
    return 2;
  }
  return run(request);
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

try {
  process.exitCode = await main();
} catch (error) {
  console.error(`openlake drive: ${messageOf(error)}`);
  process.exitCode = 1;
}
