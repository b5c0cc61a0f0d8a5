/**
 * A virtual machine whose power can be cut: QEMU, and the kernel of this Debian with the few modules of an NVMe drive, unpacked into
 * the cache. Nothing of it is installed into the running system's /boot.
 */
import { spawnSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, renameSync, rmSync } from 'node:fs';
import { homedir, tmpdir } from 'node:os';
import { join } from 'node:path';

/** Folders and files below lib/modules/VERSION/kernel that an NVMe drive needs. */
const MODULES = ['drivers/nvme/host', 'block/t10-pi.ko', 'lib', 'crypto'];

function text(command, ...words) {
  const ended = spawnSync(command, words, { encoding: 'utf8', env: { ...process.env, LC_ALL: 'C' } });
  if (ended.status !== 0) throw new Error(`${command} ${words.join(' ')}: ${ended.stderr}`);
  return ended.stdout;
}

/** Downloads and unpacks the kernel once: `folder` then holds `vmlinuz` and `modules/lib/modules/VERSION`. */
function fetchKernel(folder) {
  if (existsSync(join(folder, 'vmlinuz'))) return;
  console.log('provision: the Debian kernel: a virtual machine whose power is cut under load');
  text('apt-get', 'update', '-qq');
  const name = /Depends: (linux-image-[\w.-]+)/.exec(text('apt-cache', 'depends', 'linux-image-amd64'))?.[1];
  if (name === undefined) throw new Error('no kernel package is known: expected linux-image-amd64 to depend on one');
  const scratch = mkdtempSync(join(tmpdir(), 'openlake-kernel-'));
  try {
    // The unsigned package holds the same kernel and leaves out the signing tools.
    const ended = spawnSync('apt-get', ['download', '-qq', `${name}-unsigned`], { cwd: scratch, stdio: 'inherit' });
    if (ended.status !== 0) throw new Error(`apt-get download ${name}-unsigned failed`);
    const archive = readdirSync(scratch).find((file) => file.endsWith('.deb'));
    text('dpkg-deb', '-x', join(scratch, archive), join(scratch, 'x'));
    const unfinished = `${folder}.unfinished`;
    rmSync(unfinished, { recursive: true, force: true });
    mkdirSync(unfinished, { recursive: true });
    const version = readdirSync(join(scratch, 'x/lib/modules'))[0];
    const kernel = join('lib/modules', version, 'kernel');
    for (const module of MODULES) {
      cpSync(join(scratch, 'x', kernel, module), join(unfinished, 'modules', kernel, module), { recursive: true });
    }
    cpSync(join(scratch, 'x/boot', `vmlinuz-${version}`), join(unfinished, 'vmlinuz'));
    text('busybox', 'depmod', '-b', join(unfinished, 'modules'), version);
    renameSync(unfinished, folder);
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
}

fetchKernel(join(process.env.OPENLAKE_TEST_CACHE ?? join(homedir(), '.cache', 'openlake-test'), 'kernel'));
