/**
 * Makes cargo judge by content whether a crate must be compiled again, for target folders that several checkouts share.
 *
 * Cargo compares the times of files. In a folder that is shared between clones, or kept while sources are copied in anew, times say
 * nothing: a fresh clone has new files with old content, and an older checkout has old files with other content. So the hash of every
 * crate's files is kept beside what was compiled. A crate whose hash differs loses its fingerprint, and cargo compiles it; then all
 * that is there gets the time of now, and cargo takes it as it is.
 *
 *     TARGET/sources.json    {"erasure": "<sha256>", ...}, there only while it is known to be true
 */
import { createHash } from 'node:crypto';
import { existsSync, lutimesSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';

const workspace = dirname(fileURLToPath(import.meta.url));

/** Files that several crates include, beside the workspace's own. Tests compile them in. */
const SHARED_INPUTS = join(workspace, '..', 'test', 'fixtures');

/** Every regular file below a folder, sorted, without cargo's own folder. */
function filesBelow(folder) {
  if (!existsSync(folder)) return [];
  const entries = readdirSync(folder, { withFileTypes: true }).toSorted((a, b) => (a.name < b.name ? -1 : 1));
  return entries.flatMap((entry) => {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) return entry.name === 'target' ? [] : filesBelow(path);
    return entry.isFile() ? [path] : [];
  });
}

/** Hash of the content by crate folder, and the time of the newest file. */
function readSources() {
  const shared = [join(workspace, 'Cargo.toml'), join(workspace, 'Cargo.lock'), ...filesBelow(SHARED_INPUTS)];
  const crates = readdirSync(workspace).filter((name) => existsSync(join(workspace, name, 'Cargo.toml')));
  let newestMs = 0;
  const hashes = {};
  for (const crate of crates) {
    const hash = createHash('sha256');
    for (const path of [...shared, ...filesBelow(join(workspace, crate))]) {
      newestMs = Math.max(newestMs, statSync(path).mtimeMs);
      hash
        .update(`${relative(workspace, path)}\0`)
        .update(readFileSync(path))
        .update('\0');
    }
    hashes[crate] = hash.digest('hex');
  }
  return { hashes, newestMs };
}

/** Folders below `target` in which cargo keeps fingerprints: one per profile. */
function fingerprintFolders(target) {
  return readdirSync(target)
    .map((profile) => join(target, profile, '.fingerprint'))
    .filter((folder) => existsSync(folder));
}

function setTimes(folder, time) {
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) setTimes(path, time);
    lutimesSync(path, time, time);
  }
}

/**
 * Prepares a target folder that other checkouts may have used. Call it before cargo, with no other cargo at work in there, and what it
 * returns after the last cargo: it notes what was compiled, unless a source changed meanwhile.
 * @param {string} target a folder for cargo's results; need not exist
 * @returns {() => void}
 */
export function trustContent(target) {
  const startedMs = Date.now();
  const note = join(target, 'sources.json');
  const { hashes } = readSources();
  if (existsSync(target)) {
    const known = existsSync(note) ? JSON.parse(readFileSync(note, 'utf8')) : {};
    rmSync(note, { force: true });
    for (const folder of fingerprintFolders(target)) {
      for (const name of readdirSync(folder)) {
        const crate = /^openlake-(\w+)-[0-9a-f]+$/.exec(name)?.[1];
        if (crate !== undefined && (hashes[crate] === undefined || known[crate] !== hashes[crate]))
          rmSync(join(folder, name), { recursive: true, force: true });
      }
    }
    setTimes(target, new Date(startedMs));
  }
  return () => {
    const now = readSources();
    const same = JSON.stringify(now.hashes) === JSON.stringify(hashes) && now.newestMs < startedMs;
    if (same && existsSync(target)) writeFileSync(note, JSON.stringify(hashes, undefined, 2));
  };
}
