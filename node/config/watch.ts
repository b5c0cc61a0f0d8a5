/**
 * Tells when the content of the configuration file, or of a certificate file that it names, changes.
 *
 * Kubernetes replaces a mounted Secret by turning a symbolic link, editors replace files by renaming, and both defeat a
 * plain watch of the file. So its folder, in which included files lie too, is watched to be quick, and the content compared once a second to be sure.
 */
import { type FSWatcher, readFileSync, watch } from 'node:fs';
import path from 'node:path';
import { parse } from 'smol-toml';
import { readConfigText } from './file.ts';
import { peerTlsPaths } from './peer-tls.ts';

const PERIOD_MS = 1000;

/**
 * Calls `onChange` with the text of `file` when it, or a file that it names, has new content; `known` is the text to begin with. A
 * configuration that cannot be read is no change.
 */
export function watchConfigFile(file: string, options: { readonly known: string; readonly onChange: (text: string) => void }): Disposable {
  let known = options.known;
  let paths = namedFiles(known);
  let contents = readAll(paths);
  const look = (): void => {
    let text: string;
    let next: string;
    try {
      text = readConfigText(file);
      if (text !== known) paths = namedFiles(text);
      next = readAll(paths);
      // Replaced between the two: these files are not of this text. The next look comes within a second.
      if (readConfigText(file) !== text) return;
    } catch {
      return;
    }
    if (text === known && next === contents) return;
    known = text;
    contents = next;
    options.onChange(text);
  };
  const timer = setInterval(look, PERIOD_MS);
  timer.unref();
  let watcher: FSWatcher | undefined;
  try {
    watcher = watch(path.dirname(file), { persistent: false }, look);
    watcher.on('error', () => watcher?.close());
  } catch {
    // Too many watches, or a filesystem without them: the timer alone will do.
  }
  return {
    [Symbol.dispose]: () => {
      clearInterval(timer);
      watcher?.close();
    },
  };
}

function namedFiles(text: string): readonly string[] {
  try {
    return peerTlsPaths(parse(text));
  } catch {
    return [];
  }
}

function readAll(paths: readonly string[]): string {
  return JSON.stringify(
    paths.map((file) => {
      try {
        return readFileSync(file, 'utf8');
      } catch {
        return null;
      }
    }),
  );
}
