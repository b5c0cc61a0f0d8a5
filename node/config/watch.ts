/**
 * Tells when the configuration file's content changes.
 *
 * Kubernetes replaces a mounted Secret by turning a symbolic link, editors replace files by renaming, and both defeat a
 * plain watch of the file. So its folder, in which included files lie too, is watched to be quick, and the content compared once a second to be sure.
 */
import { type FSWatcher, watch } from 'node:fs';
import path from 'node:path';
import { readConfigText } from './file.ts';

const PERIOD_MS = 1000;

/** Calls `onChange` with each new content of `file`, starting from `known`. A file that cannot be read is no change. */
export function watchConfigFile(file: string, options: { readonly known: string; readonly onChange: (text: string) => void }): Disposable {
  let known = options.known;
  const look = (): void => {
    let text: string;
    try {
      text = readConfigText(file);
    } catch {
      return;
    }
    if (text === known) return;
    known = text;
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
