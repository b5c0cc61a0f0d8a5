/**
 * The floor of a durable put: a store that keeps a file per object, as one would write it by hand. Each object is created under another
 * name, written, flushed, renamed, and its directory flushed, so that it survives a power cut by name, with 64 objects in flight.
 *
 *     UV_THREADPOOL_SIZE=64 node test/bench/file-store.ts FOLDER COUNT SIZE     prints objects a second
 */
import { mkdir, open, rename } from 'node:fs/promises';
import path from 'node:path';

const IN_FLIGHT = 64;
const FOLDERS = 64;

const [folder = '', countText = '', sizeText = ''] = process.argv.slice(2);
const [count, size] = [Number(countText), Number(sizeText)];
const bytes = Buffer.alloc(size, 7);

async function put(number: number): Promise<void> {
  const directory = path.join(folder, String(number % FOLDERS));
  const unfinished = path.join(directory, `${number}.new`);
  const file = await open(unfinished, 'wx');
  await file.write(bytes);
  await file.datasync();
  await file.close();
  await rename(unfinished, path.join(directory, String(number)));
  const entry = await open(directory);
  await entry.sync();
  await entry.close();
}

for (let number = 0; number < FOLDERS; number++) await mkdir(path.join(folder, String(number)), { recursive: true });
const startedMs = performance.now();
let next = 0;
async function worker(): Promise<void> {
  while (next < count) await put(next++);
}
await Promise.all(Array.from({ length: IN_FLIGHT }, worker));
console.log((count / ((performance.now() - startedMs) / 1000)).toFixed(1));
