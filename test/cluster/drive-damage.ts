/** Damages a node's drives the way a failing medium does: single bytes change, nothing says so. And copies drives, for mistaken identities. */
import { execFileSync } from 'node:child_process';
import { closeSync, globSync, openSync, readSync, statSync, writeSync } from 'node:fs';
import { join } from 'node:path';

const SECTOR_BYTES = 4096;
/** Sectors of a file that are looked at in search of content. */
const LOOKS = 4000;

/** A drive folder and what can be done to it. */
export type DamagedDrives = {
  /**
   * Flips one byte in up to `count` sectors that hold data (dense, no zero padding: shards, not headers), spread evenly over all of them.
   * Returns how many were flipped.
   */
  readonly flipBytesInContent: (count: number) => number;
  /**
   * The same in sectors chosen by `chance` (numbers from 0 to 1), looking at a few thousand of them instead of all: for the drives of a
   * node that runs.
   */
  readonly flipSomewhere: (count: number, chance: () => number) => number;
};

/** Whether a sector looks like object content: random bytes throughout. Most sectors are empty, which the first bytes tell. */
function isContent(sector: Buffer): boolean {
  let zeros = 0;
  for (let index = 0; index < SECTOR_BYTES && zeros < SECTOR_BYTES / 64; index += 1) if (sector[index] === 0) zeros += 1;
  return zeros < SECTOR_BYTES / 64;
}

/** Changes one bit of one byte. */
function flip(path: string, position: number): void {
  const file = openSync(path, 'r+');
  const byte = Buffer.alloc(1);
  readSync(file, byte, 0, 1, position);
  byte[0] = (byte[0] as number) ^ 0x10;
  writeSync(file, byte, 0, 1, position);
  closeSync(file);
}

/** The containers of all drives below a folder. */
export function openDrives(folder: string): DamagedDrives {
  const containers = globSync('**/data.*', { cwd: folder })
    .map((name) => join(folder, name))
    .filter((path) => statSync(path).isFile());
  return {
    flipBytesInContent: (count) => {
      const content: { readonly path: string; readonly offset: number }[] = [];
      const piece = Buffer.alloc(256 * SECTOR_BYTES);
      for (const path of containers) {
        const file = openSync(path, 'r');
        for (let start = 0, read = 1; read > 0; start += read) {
          read = readSync(file, piece, 0, piece.length, start);
          for (let at = 0; at + SECTOR_BYTES <= read; at += SECTOR_BYTES) {
            if (isContent(piece.subarray(at, at + SECTOR_BYTES))) content.push({ path, offset: start + at });
          }
        }
        closeSync(file);
      }
      const step = Math.max(1, Math.floor(content.length / count));
      const chosen = content.filter((_, index) => index % step === 0).slice(0, count);
      for (const { path, offset } of chosen) flip(path, offset + (offset % 4093));
      return chosen.length;
    },
    flipSomewhere: (count, chance) => {
      const sector = Buffer.alloc(SECTOR_BYTES);
      let flipped = 0;
      for (const path of containers) {
        const file = openSync(path, 'r');
        const blocks = Math.floor(statSync(path).size / SECTOR_BYTES);
        for (let look = 0; look < LOOKS && flipped < count; look += 1) {
          const offset = Math.floor(chance() * blocks) * SECTOR_BYTES;
          readSync(file, sector, 0, SECTOR_BYTES, offset);
          if (!isContent(sector)) continue;
          flip(path, offset + Math.floor(chance() * SECTOR_BYTES));
          flipped += 1;
        }
        closeSync(file);
      }
      return flipped;
    },
  };
}

/** Copies a drive's folder. Its space is allocated in advance; what nobody wrote yet becomes a hole, not a gigabyte of zeros. */
export function copyDrive(from: string, to: string): void {
  execFileSync('cp', [...(process.platform === 'linux' ? ['--sparse=always'] : []), '-R', from, to]);
}
