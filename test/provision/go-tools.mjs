/**
 * Builds the real Kubernetes control plane, Helm and kubeconform from their Go modules, each at the version that its go.mod pins; and, for
 * benchmarks only, MinIO as the peer that they run beside the storage node.
 * Binaries are cached outside the tree by the hash of go.mod and go.sum, so a second run costs nothing; a change of version builds anew.
 * Plain JavaScript, because the machine's own Node may be as old as 20.
 */
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const cache = process.env.OPENLAKE_TEST_CACHE ?? join(homedir(), '.cache', 'openlake-test');
const tests = fileURLToPath(new URL('../', import.meta.url));

/** Flags that stamp the release, because kubectl and Helm compare versions. */
const kubernetesVersion = ['k8s.io/component-base/version', 'k8s.io/client-go/pkg/version'].flatMap((path) =>
  ['gitVersion=v1.36.3', 'gitMajor=1', 'gitMinor=36', 'gitTreeState=clean'].map((value) => `-X ${path}.${value}`),
);

/** What is built: binary, package, why it is needed, further linker flags. */
const GROUPS = {
  minio: [{ name: 'minio', from: 'github.com/minio/minio', why: 'the store beside which the benchmarks measure ours' }],
  kubernetes: [
    { name: 'etcd', from: 'go.etcd.io/etcd/server/v3', why: 'the store behind the API server' },
    { name: 'kubectl', from: 'k8s.io/kubernetes/cmd/kubectl', why: 'applies manifests as users do', flags: kubernetesVersion },
    { name: 'kube-scheduler', from: 'k8s.io/kubernetes/cmd/kube-scheduler', why: 'binds pods to nodes', flags: kubernetesVersion },
    {
      name: 'kube-apiserver',
      from: 'k8s.io/kubernetes/cmd/kube-apiserver',
      why: 'CEL rules, RBAC and server-side apply as they really are',
      flags: kubernetesVersion,
    },
    {
      name: 'kube-controller-manager',
      from: 'k8s.io/kubernetes/cmd/kube-controller-manager',
      why: 'DaemonSets, disruption budgets and garbage collection as they really are',
      flags: kubernetesVersion,
    },
  ],
  helm: [
    {
      name: 'helm',
      from: 'helm.sh/helm/v4/cmd/helm',
      why: 'installs the chart',
      flags: ['-X helm.sh/helm/v4/internal/version.version=v4.3.1'],
    },
  ],
  kubeconform: [
    {
      name: 'kubeconform',
      from: 'github.com/yannh/kubeconform/cmd/kubeconform',
      why: 'checks rendered manifests against the real schemas',
    },
  ],
};

/** What the tests on Kubernetes need. */
const KUBE_GROUPS = ['kubernetes', 'helm', 'kubeconform'];

/** Folder of a group's go.mod and go.sum. */
function moduleOf(group) {
  return join(tests, KUBE_GROUPS.includes(group) ? 'kube/go' : 'bench/go', group);
}

/** Folder of a group's binaries: the name changes with go.mod, go.sum and the way of building. */
function folderOf(group) {
  const hash = createHash('sha256');
  for (const name of ['go.mod', 'go.sum']) hash.update(readFileSync(join(moduleOf(group), name)));
  hash.update(JSON.stringify(GROUPS[group].map(({ name, from, flags }) => [name, from, flags])));
  return join(cache, `go-${group}-${hash.digest('hex').slice(0, 12)}`);
}

/**
 * Absolute path of a built tool (it may not be built yet).
 * @param {'etcd'|'kubectl'|'kube-scheduler'|'kube-apiserver'|'kube-controller-manager'|'helm'|'kubeconform'|'minio'} name
 * @returns {string}
 */
export function toolPath(name) {
  const group = Object.keys(GROUPS).find((key) => GROUPS[key].some((tool) => tool.name === name));
  if (group === undefined) throw new Error(`no test tool is named ${name}`);
  return join(folderOf(group), name);
}

/**
 * Why the tools of some groups that are not built yet cannot be built here; undefined when they can, or all are there.
 * @param {readonly string[]} [groups]
 */
export function whyNoGo(groups = KUBE_GROUPS) {
  const absent = groups.flatMap((group) =>
    GROUPS[group].filter(({ name }) => !existsSync(join(folderOf(group), name))).map(({ name }) => name),
  );
  if (absent.length === 0) return undefined;
  const answer = spawnSync('go', ['env', 'GOVERSION'], { encoding: 'utf8', env: { ...process.env, GOTOOLCHAIN: 'local' } });
  const match = /go1\.(\d+)/.exec(answer.stdout ?? '');
  if (answer.status === 0 && match !== null && Number(match[1]) >= 26) return undefined;
  const seen = answer.status === 0 ? `found ${answer.stdout.trim()}` : 'found none on PATH';
  return `Go 1.26 or newer (${seen}), to build ${absent.join(', ')}; or a cache with these at OPENLAKE_TEST_CACHE`;
}

/**
 * Builds every tool of the given groups that is not in the cache yet, and says what and why.
 * @param {readonly ('kubernetes'|'helm'|'kubeconform'|'minio')[]} [groups]
 */
export function buildGoTools(groups = KUBE_GROUPS) {
  const reason = whyNoGo(groups);
  if (reason !== undefined) throw new Error(`${groups.join(', ')} need ${reason}`);
  for (const group of groups) {
    const folder = folderOf(group);
    for (const { name, from, why, flags = [] } of GROUPS[group]) {
      const target = join(folder, name);
      if (existsSync(target)) continue;
      console.log(`provision: building ${name} from its Go module (once, some minutes): ${why}`);
      mkdirSync(folder, { recursive: true });
      const partial = `${target}.${process.pid}.partial`;
      const started = Date.now();
      const built = spawnSync(
        'nice',
        // Without what only a debugger reads, compiling takes an eighth less. Stack traces keep their lines.
        ['-n', '10', 'go', 'build', '-gcflags=all=-dwarf=false', '-ldflags', ['-s', '-w', ...flags].join(' '), '-o', partial, from],
        {
          cwd: moduleOf(group),
          stdio: 'inherit',
          env: { ...process.env, CGO_ENABLED: '0', GOTOOLCHAIN: 'local', GOFLAGS: '-trimpath -mod=readonly -modcacherw -buildvcs=false' },
        },
      );
      if (built.status !== 0) {
        rmSync(partial, { force: true });
        throw new Error(`go build of ${from} in ${moduleOf(group)} failed (status ${built.status ?? built.signal}); see the lines above`);
      }
      renameSync(partial, target);
      console.log(`provision: ${name} built in ${Math.round((Date.now() - started) / 1000)} s`);
    }
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) buildGoTools(process.argv.length > 2 ? process.argv.slice(2) : undefined);
