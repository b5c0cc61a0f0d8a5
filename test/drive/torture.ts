/**
 * The program that loads a drive until it is killed and judges afterwards what is on it (native/drive/examples/torture), and loop
 * devices for it to run on.
 */
import { spawn, spawnSync } from 'node:child_process';
import { closeSync, mkdtempSync, openSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';

const manifest = path.resolve(import.meta.dirname, '../../native/Cargo.toml');

/** Builds the program, with the features of all crates, so that it is a moment after the Rust tests; returns its path. */
export function buildTorture(): string {
  const words = ['build', '--manifest-path', manifest, '--workspace', '--example', 'torture', '--message-format=json', '--quiet'];
  const built = spawnSync('cargo', words, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'], maxBuffer: 1 << 28 });
  const made = built.stdout
    .split('\n')
    .filter((line) => line.startsWith('{'))
    .map((line) => JSON.parse(line) as { readonly executable?: string | null; readonly target?: { readonly name: string } })
    .find((message) => message.target?.name === 'torture' && typeof message.executable === 'string');
  if (built.status !== 0 || typeof made?.executable !== 'string') throw new Error('the torture program could not be built');
  return made.executable;
}

/** A scratch folder that goes away with `remove`. */
export function scratchFolder(): { readonly folder: string; readonly remove: () => void } {
  const folder = mkdtempSync(path.join(tmpdir(), 'openlake-torture-'));
  return { folder, remove: () => rmSync(folder, { recursive: true, force: true }) };
}

/** A loop device over a new file of `sizeBytes` in `folder`. Throws when none can be made. */
export function loopDevice(
  folder: string,
  sizeBytes: number,
): { readonly device: string; readonly image: string; readonly detach: () => void } {
  const image = path.join(folder, 'image');
  writeFileSync(image, '');
  truncateSync(image, sizeBytes);
  const device = run('losetup', '--find', '--show', '--direct-io=on', image).trim();
  return { device, image, detach: () => void run('losetup', '--detach', device) };
}

/** Runs a program to its end; its standard output, or an Error with what it said. */
export function run(command: string, ...words: readonly string[]): string {
  const ended = spawnSync(command, words, { encoding: 'utf8' });
  if (ended.status !== 0) throw new Error(`${command} ${words.join(' ')}: ${ended.stderr || ended.error?.message}`);
  return ended.stdout;
}

/** Loads the drive at `place` until it is full, and appends the lines to `lines`; throws when it ends with an error. */
export function fill(program: string, options: { readonly place: string; readonly lines: string; readonly run: number }): void {
  const output = openSync(options.lines, 'a');
  const words = ['write', options.place, String(options.run), 'full'];
  const ended = spawnSync(program, words, { encoding: 'utf8', stdio: ['ignore', output, 'pipe'] });
  closeSync(output);
  if (ended.status !== 0) throw new Error(ended.stderr);
}

/** Fills the drive at `place`, deletes, writes again (native/drive/examples/torture/brim.rs); what it says, or an Error with what is wrong. */
export function fillToTheBrim(program: string, place: string): string {
  return run(program, 'brim', place).trim();
}

/** Loads the drive at `place`, kills the process after `killAfterMs` and appends its lines to `lines`. */
export async function loadAndKill(
  program: string,
  options: { readonly place: string; readonly lines: string; readonly run: number; readonly killAfterMs: number },
): Promise<void> {
  const output = openSync(options.lines, 'a');
  const child = spawn(program, ['write', options.place, String(options.run)], { stdio: ['ignore', output, 'pipe'] });
  closeSync(output);
  let said = '';
  child.stderr?.setEncoding('utf8').on('data', (text: string) => {
    said += text;
  });
  const ended = new Promise<string | null>((resolve) => child.once('close', (_code, signal) => resolve(signal)));
  const timer = setTimeout(() => child.kill('SIGKILL'), options.killAfterMs);
  const signal = await ended;
  clearTimeout(timer);
  if (signal !== 'SIGKILL') throw new Error(`the load ended by itself: ${said}`);
}

/**
 * Compares the drive with the lines of all runs; throws with the first fault. `linesMayLag`: the last lines of a run may be lost, so a
 * version newer than all that were seen is fine as long as it is whole.
 */
export function check(
  program: string,
  options: { readonly place: string; readonly lines: string; readonly linesMayLag?: boolean },
): string {
  const input = openSync(options.lines, 'r');
  const words = ['check', options.place, ...(options.linesMayLag === true ? ['lagging'] : [])];
  const ended = spawnSync(program, words, { encoding: 'utf8', stdio: [input, 'pipe', 'pipe'] });
  closeSync(input);
  if (ended.status !== 0) throw new Error(`${ended.stderr}${ended.stdout}`);
  return ended.stdout.trim();
}

/** A seeded source of chance: numbers from 0 (inclusive) to 1. */
export function seededChance(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
