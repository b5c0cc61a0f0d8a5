/** Small files that must never be seen half written. */
import { closeSync, fsyncSync, openSync, readFileSync, renameSync, writeSync } from 'node:fs';

/** Writes a file whole or not at all: a neighbour is written, flushed and renamed over it. */
export function writeWhole(file: string, content: { readonly text: string; readonly mode: number }): void {
  const neighbour = `${file}.new`;
  const descriptor = openSync(neighbour, 'w', content.mode);
  try {
    writeSync(descriptor, content.text);
    fsyncSync(descriptor);
  } finally {
    closeSync(descriptor);
  }
  renameSync(neighbour, file);
}

/** The text of a file; undefined when there is none. */
export function readIfPresent(file: string): string | undefined {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined;
    throw error;
  }
}
