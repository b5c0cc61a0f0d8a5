/**
 * The two images, built by buildah without a registry, and programs run from their root filesystems as a runtime would:
 * chroot, read-only, the image's own user and environment, mounts only where a pod has them.
 */
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { sourceFiles } from '../architecture/sources.ts';
import { type Finished, runProgram } from '../cluster/cluster.ts';
import { baseImages, buildahEnvironment, buildahOptions, makeBaseImages } from '../provision/base-images.mjs';
import { type Service, startService } from './service.ts';

const root = join(import.meta.dirname, '..', '..');

/** What an image says of itself. */
export type ImageConfig = {
  readonly User: string;
  readonly Env: readonly string[];
  readonly Entrypoint: readonly string[];
  readonly Cmd: readonly string[];
  readonly Labels: Readonly<Record<string, string>>;
  readonly ExposedPorts: Readonly<Record<string, unknown>>;
  readonly Healthcheck?: { readonly Test: readonly string[] };
};

/** A built image whose files lie below `folder`; disposing of it removes the container, the image stays for the next run. */
export type BuiltImage = AsyncDisposable & { readonly folder: string; readonly config: ImageConfig };

/** Marks an image with the hash of all that it was built from. */
const KEY_LABEL = 'openlake-test.key';

/** A hash of the bases, the Dockerfile and every file that may go into the build. */
function buildKey(name: 'node' | 'operator', bases: Readonly<Record<string, string>>): string {
  const hash = createHash('sha256').update(JSON.stringify(bases));
  const context = {
    node: /^(package.*\.json|\.dockerignore|(native|node)\/.*)$/,
    operator: /^(package.*\.json|\.dockerignore|(crds|node|operator)\/.*)$/,
  }[name];
  for (const path of [`Dockerfile.${name}`, ...sourceFiles(context)]) hash.update(`${path}\n`).update(readFileSync(join(root, path)));
  return hash.digest('hex');
}

/** Runs buildah beside whatever else this process does; its output. */
async function buildah(...words: readonly string[]): Promise<string> {
  const env = buildahEnvironment() as Record<string, string>;
  const done = await runProgram('nice', { args: ['-n', '10', 'buildah', ...buildahOptions, ...words], env });
  if (done.code !== 0) throw new Error(`buildah ${words.join(' ')} ended with ${done.code}:\n${done.stdout}\n${done.stderr}`);
  return done.stdout.trim();
}

/** The image of a tag; undefined when there is none. */
async function inspect(tag: string): Promise<ImageConfig | undefined> {
  const text = await buildah('inspect', '--type', 'image', tag).catch(() => undefined);
  return text === undefined ? undefined : (JSON.parse(text) as { readonly Docker: { readonly config: ImageConfig } }).Docker.config;
}

/** Builds Dockerfile.NAME unless it was built from these very files, and lays out its root filesystem. Cargo compiles only what changed. */
export async function buildImage(name: 'node' | 'operator'): Promise<BuiltImage> {
  makeBaseImages();
  const bases = baseImages();
  const buildArguments = { BUILD_BASE: bases.builder, NODE_BASE: bases.nodejs, RUNTIME_BASE: bases.runtime, REVISION: 'test' };
  const tag = `localhost/openlake-test/${name}:built`;
  const key = buildKey(name, bases);
  if ((await inspect(tag))?.Labels[KEY_LABEL] !== key) {
    const build = [
      'build',
      '--pull-never',
      '--format',
      'docker',
      '--layers=false',
      '--force-rm',
      '--label',
      `${KEY_LABEL}=${key}`,
      '--tag',
      tag,
    ];
    const given = Object.entries(buildArguments).flatMap(([argument, value]) => ['--build-arg', `${argument}=${value}`]);
    await buildah(...build, ...given, '--file', join(root, `Dockerfile.${name}`), root);
    await buildah('rmi', '--prune', '--force');
  }
  const config = await inspect(tag);
  if (config === undefined) throw new Error(`${tag} was built but cannot be inspected`);
  const container = await buildah('from', '--pull-never', tag);
  return {
    folder: await buildah('mount', container),
    config,
    [Symbol.asyncDispose]: async () => void (await buildah('rm', container)),
  };
}

/** Mounts of a container: host path by path inside, with ':ro' behind the latter for read-only ones. */
export type Mounts = Readonly<Record<string, string>>;

/**
 * In a mount namespace of its own: the image read-only, /proc, /dev, the mounts, then the program as the image's user. The shell and
 * chroot replace themselves, so the process id is that of the program.
 */
const ENTER = `
root=$1; user=$2; shift 2
mount --bind "$root" "$root"
mount -t proc proc "$root/proc"
mount --rbind /dev "$root/dev"
while [ "$1" != -- ]; do mount --bind "$1" "$root/$2"; [ "$3" = rw ] || mount -o remount,bind,ro "$root/$2"; shift 3; done
shift
mount -o remount,bind,ro "$root"
exec chroot --userspec="$user" "$root" "$@"
`;

/** Starts a program of the image. */
export function startInImage(
  image: BuiltImage,
  options: {
    readonly name: string;
    readonly command: readonly string[];
    readonly mounts: Mounts;
    readonly logFile: string;
    readonly env?: Readonly<Record<string, string>>;
  },
): Service {
  const mounts = Object.entries(options.mounts).flatMap(([host, inside]) => {
    const [path, mode] = inside.split(':') as [string, string?];
    const target = join(image.folder, path);
    if (!existsSync(target)) mkdirSync(target, { recursive: true });
    return [host, path, mode === 'ro' ? 'ro' : 'rw'];
  });
  const env = [...image.config.Env, ...Object.entries(options.env ?? {}).map(([name, value]) => `${name}=${value}`)];
  const namespace = ['--mount', '--propagation', 'private'];
  return startService(options.name, {
    command: 'unshare',
    args: [
      ...namespace,
      'sh',
      '-ec',
      ENTER,
      'sh',
      image.folder,
      image.config.User,
      ...mounts,
      '--',
      'env',
      '-i',
      ...env,
      ...options.command,
    ],
    logFile: options.logFile,
  });
}

/** Runs a command beside a running program of the image: same files, same user, as a runtime's health check does. */
export async function runBeside(
  service: Service,
  options: { readonly image: BuiltImage; readonly command: readonly string[]; readonly env?: Readonly<Record<string, string>> },
): Promise<Finished> {
  const env = [...options.image.config.Env, ...Object.entries(options.env ?? {}).map(([name, value]) => `${name}=${value}`)];
  const [user, group] = options.image.config.User.split(':') as [string, string];
  const enter = ['--target', String(service.pid), '--mount', '--root', '--wd=/', '--setuid', user, '--setgid', group];
  return runProgram('nsenter', { args: [...enter, 'env', '-i', ...env, ...options.command] });
}
