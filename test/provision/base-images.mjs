/**
 * The base images of the image tests, made without any image registry: a Debian by debootstrap, and this machine's own Node 26 and
 * Rust on top of it. They lie with everything that is built from them in one store in the cache, made once per version.
 *
 *     runtime   Debian, minimal                         RUNTIME_BASE
 *     nodejs    runtime with node and npm               NODE_BASE
 *     builder   nodejs with cargo, rustc and a linker   BUILD_BASE
 *
 * Plain JavaScript, because the machine's own Node may be as old as 20.
 */
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { homedir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('../../', import.meta.url));
const cache = process.env.OPENLAKE_TEST_CACHE ?? join(homedir(), '.cache', 'openlake-test');
const store = join(cache, 'images');

/** Overlay mounts where the kernel gives them, as they cost nothing; copies of whole filesystems elsewhere. */
const driver = canOverlay() ? 'overlay' : 'vfs';

/** Where an image finds the certificates that this machine trusts; package downloads may go through its proxy. */
const CERTIFICATES = '/etc/ssl/certs/ca-certificates.crt';

/** Raised when what is done below changes, so that the images are made anew. */
const RECIPE = '1';

/** Words that come first in every call of buildah: a store of our own, no daemon, no namespaces. */
export const buildahOptions = ['--root', join(store, driver), '--runroot', join(store, `${driver}-run`), '--storage-driver', driver];

/** Tries an overlay mount in the cache: some sandboxes and filesystems refuse it. */
function canOverlay() {
  if (whyNoImages() !== undefined) return false;
  mkdirSync(store, { recursive: true });
  const script = 'mkdir lower upper work all && mount -t overlay -o lowerdir=lower,upperdir=upper,workdir=work overlay all';
  const folder = mkdtempSync(join(store, 'overlay-trial-'));
  const tried = spawnSync('unshare', ['--mount', 'sh', '-ec', script], { cwd: folder });
  rmSync(folder, { recursive: true, force: true });
  return tried.status === 0;
}

/** Environment of every call: temporary files and cache mounts stay in the store as well. */
export function buildahEnvironment() {
  mkdirSync(join(store, 'tmp'), { recursive: true });
  return { ...process.env, TMPDIR: join(store, 'tmp'), BUILDAH_ISOLATION: 'chroot' };
}

/** Runs buildah, politely; returns its output. Throws with what it printed. */
export function buildah(...words) {
  const done = spawnSync('nice', ['-n', '10', 'buildah', ...buildahOptions, ...words], {
    encoding: 'utf8',
    env: buildahEnvironment(),
    maxBuffer: 64 * 1024 * 1024,
  });
  if (done.status !== 0)
    throw new Error(`buildah ${words.join(' ')} ended with ${done.status ?? done.signal}:\n${done.stdout}\n${done.stderr}`);
  return done.stdout.trim();
}

/** The first line that a command prints; empty when there is no such command. */
function ask(command, ...args) {
  const done = spawnSync(command, args, { cwd: join(root, 'native'), encoding: 'utf8' });
  return done.status === 0 ? done.stdout.trim() : '';
}

function shell(script, ...args) {
  const done = spawnSync('nice', ['-n', '10', 'sh', '-ec', script, 'sh', ...args], { encoding: 'utf8', maxBuffer: 64 * 1024 * 1024 });
  if (done.status !== 0) throw new Error(`${script}\nended with ${done.status ?? done.signal}:\n${done.stdout}\n${done.stderr}`);
}

/** Why images cannot be built here; undefined when they can. */
export function whyNoImages() {
  if (process.platform !== 'linux') return 'images are built on Linux only';
  if (process.getuid?.() !== 0) return 'debootstrap and a chroot need root';
  if (spawnSync('unshare', ['--mount', 'true']).status !== 0) return 'mount namespaces are not allowed here';
  return undefined;
}

function machine() {
  const release = readFileSync('/etc/os-release', 'utf8');
  return {
    suite: /^VERSION_CODENAME=(.+)$/m.exec(release)?.[1] ?? 'bookworm',
    node: join(root, 'node_modules', 'node', 'bin', 'node'),
    npm: ask('sh', '-c', 'readlink -f "$(command -v npm)"').replace(/\/bin\/npm-cli\.js$/, ''),
    rust: ask('rustc', '--print', 'sysroot'),
  };
}

/** Names of the three images; they change with the versions inside. */
export function baseImages() {
  const { suite, node, rust } = machine();
  const key = createHash('sha256')
    .update([suite, ask(node, '--version'), ask(join(rust, 'bin', 'rustc'), '--version'), RECIPE].join('\n'))
    .digest('hex')
    .slice(0, 12);
  const name = (part) => `localhost/openlake-test/${part}:${key}`;
  return { runtime: name('runtime'), nodejs: name('nodejs'), builder: name('builder') };
}

function known(image) {
  return spawnSync('buildah', [...buildahOptions, 'inspect', '--type', 'image', image], { env: buildahEnvironment() }).status === 0;
}

/** Makes an image from another: `fill` gets the container's name and its root filesystem. */
function make(image, base, fill) {
  const container = buildah('from', '--pull-never', base);
  try {
    fill(container, buildah('mount', container));
    buildah('umount', container);
    buildah('commit', '--quiet', container, image);
  } finally {
    buildah('rm', container);
  }
}

/** Makes what is missing of the three images, and says what and why. */
export function makeBaseImages() {
  const reason = whyNoImages();
  if (reason !== undefined) throw new Error(`the image tests cannot run here: ${reason}`);
  const images = baseImages();
  const { suite, node, npm, rust } = machine();
  if (!known(images.runtime)) {
    console.log(`provision: Debian ${suite} by debootstrap: the base of the image tests (once, a minute or two)`);
    const folder = join(store, 'debian');
    rmSync(folder, { recursive: true, force: true });
    mkdirSync(dirname(folder), { recursive: true });
    shell('debootstrap --variant=minbase "$1" "$2"', suite, folder);
    shell('rm -rf "$1"/var/cache/apt/* "$1"/var/lib/apt/lists/* "$1"/usr/share/doc "$1"/usr/share/man "$1"/usr/share/locale', folder);
    make(images.runtime, 'scratch', (container, mounted) => {
      shell('cp -a "$1"/. "$2"/', folder, mounted);
      buildah('config', '--cmd', '/bin/sh', container);
    });
    rmSync(folder, { recursive: true, force: true });
  }
  if (!known(images.nodejs)) {
    console.log('provision: an image with this machine’s Node 26 and npm: where the image tests take Node from');
    make(images.nodejs, images.runtime, (container, mounted) => {
      install(container, 'libatomic1');
      shell('mkdir -p "$1"/usr/local/bin "$1"/usr/local/lib/node_modules "$1"/etc/ssl/certs', mounted);
      shell('cp "$2" "$1"/usr/local/bin/node && cp -rL "$3" "$1"/usr/local/lib/node_modules/npm', mounted, node, npm);
      trust(container, mounted);
    });
  }
  if (!known(images.builder)) {
    console.log('provision: an image with this machine’s Rust: where the image tests compile the data plane');
    make(images.builder, images.nodejs, (container, mounted) => {
      install(container, 'gcc', 'libc6-dev');
      shell(
        'cp "$2"/bin/cargo "$2"/bin/rustc "$1"/usr/local/bin/ && cp -a "$2"/lib/*.so* "$1"/usr/local/lib/ && ' +
          'mkdir -p "$1"/usr/local/lib/rustlib && cp -a "$2"/lib/rustlib/*-unknown-linux-gnu "$1"/usr/local/lib/rustlib/',
        mounted,
        rust,
      );
    });
  }
}

function install(container, ...packages) {
  const script = `apt-get update -qq && apt-get install -y -qq --no-install-recommends ${packages.join(' ')} && rm -rf /var/lib/apt/lists/* /var/cache/apt/*`;
  buildah('run', '--env', 'DEBIAN_FRONTEND=noninteractive', container, '--', 'sh', '-ec', script);
}

/** Downloads inside trust what this machine trusts. */
function trust(container, mounted) {
  if (!existsSync(CERTIFICATES)) return;
  shell('cp -L "$2" "$1$2"', mounted, CERTIFICATES);
  for (const name of ['NODE_EXTRA_CA_CERTS', 'SSL_CERT_FILE', 'CARGO_HTTP_CAINFO'])
    buildah('config', '--env', `${name}=${CERTIFICATES}`, container);
}

if (process.argv[1] === fileURLToPath(import.meta.url)) makeBaseImages();
