/**
 * What a machine must have before anything is installed or built for the tests. Asked for at once, so that nobody waits ten minutes
 * for the first complaint and ten more for the second.
 */
import { spawnSync } from 'node:child_process';
import { whyNoGo } from './go-tools.mjs';

/** Debian packages that the tests use: command, package, why. */
const PACKAGES = {
  core: [
    ['python3', 'python3', 'runs the AWS CLI and boto3'],
    ['openssl', 'openssl', 'makes the certificates of the tests'],
  ],
  kube: [
    ['ip', 'iproute2', 'gives the tests on Kubernetes a network of their own'],
    ['lua5.3', 'lua5.3', 'runs the health script for Argo CD'],
    ['buildah', 'buildah', 'builds the images without a daemon'],
    ['debootstrap', 'debootstrap', 'makes the base of the images'],
  ],
  drive: [
    ['losetup', 'mount', 'makes block devices of files'],
    ['mkfs.ext4', 'e2fsprogs', 'makes a small filesystem to fill'],
    ['qemu-system-x86_64', 'qemu-system-x86', 'emulates the machine whose power is cut'],
    ['busybox', 'busybox-static', 'is all that this machine has beside the program under test'],
    ['cpio', 'cpio', 'packs its file system'],
  ],
  faults: [
    ['ip', 'iproute2', 'gives the fault tests a network of their own'],
    ['iptables', 'iptables', 'makes partitions in it'],
  ],
  arm: [['qemu-aarch64-static', 'qemu-user-static', 'runs the kernels of ARM processors']],
  bench: [['fio', 'fio', 'the floor of the drive benchmarks']],
};

function found(command) {
  return spawnSync('sh', ['-c', `command -v ${command}`]).status === 0;
}

function isRoot() {
  return process.getuid?.() === 0;
}

/** Why the stages on Kubernetes cannot run here, as a list; empty when they can. */
function missingForKube() {
  if (process.platform !== 'linux') return [`Linux (this is ${process.platform}): network and mount namespaces, debootstrap`];
  if (!isRoot())
    return ['root: namespaces, mounts and debootstrap need it; run `npm test` as root, best in a container or a virtual machine'];
  const missing = [];
  for (const kind of ['net', 'mount']) {
    const tried = spawnSync('unshare', [`--${kind}`, 'true'], { encoding: 'utf8' });
    if (tried.status !== 0) missing.push(`the right to make ${kind} namespaces: ${(tried.stderr ?? tried.error?.message ?? '').trim()}`);
  }
  const noGo = whyNoGo();
  if (noGo !== undefined) missing.push(noGo);
  return missing;
}

/**
 * Ends this process with a list of all that is missing and cannot be installed from here.
 * @param {readonly ('core'|'kube'|'drive'|'faults'|'arm'|'bench')[]} parts
 */
export function requireMachine(parts) {
  const missing = parts.includes('kube') ? missingForKube() : [];
  if (!found('cargo')) missing.push('Rust 1.95 or newer: install it with rustup');
  if (!found('cc')) missing.push('a C compiler as `cc`: Rust links with it');
  const absent = parts.flatMap((part) => PACKAGES[part]).filter(([command]) => !found(command));
  if (absent.length > 0 && !found('apt-get'))
    missing.push(...absent.map(([command, , why]) => `the command ${command}, which ${why} (there is no apt-get here to install it with)`));
  if (missing.length === 0) return;
  console.error(`openlake: the tests need what is missing here:\n${missing.map((line) => `  - ${line}`).join('\n')}`);
  if (parts.includes('kube')) console.error('Without the stages that need root, `npm run test:core` runs all the others.');
  process.exit(1);
}

/**
 * Installs the Debian packages that are missing, with one call of apt-get, and says why.
 * @param {readonly ('core'|'kube'|'drive'|'faults'|'arm'|'bench')[]} parts
 */
export function installDebianPackages(parts) {
  const absent = parts.flatMap((part) => PACKAGES[part]).filter(([command]) => !found(command));
  if (absent.length === 0) return;
  for (const [, packageName, why] of absent) console.log(`provision: installing Debian's ${packageName}: ${why}`);
  const apt = `${isRoot() ? '' : 'sudo '}apt-get`;
  const names = absent.map(([, packageName]) => packageName).join(' ');
  const script = `${apt} update -qq && DEBIAN_FRONTEND=noninteractive ${apt} install -y -qq --no-install-recommends ${names}`;
  const done = spawnSync('sh', ['-c', script], { encoding: 'utf8', maxBuffer: 64 * 1024 * 1024 });
  if (done.status !== 0) {
    console.error(`openlake: '${script}' failed:\n${done.stdout}\n${done.stderr}`);
    process.exit(1);
  }
}
