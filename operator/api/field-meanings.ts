/**
 * What each field of the resource means, in one place: the schema carries it (`kubectl explain`), and the page of the fields is made of it.
 */

/** By the path below spec. */
export const specMeanings: Readonly<Record<string, string>> = {
  version: 'release of the node; picks the image tag',
  'image.repository': 'where the node image comes from',
  'image.digest': 'wins over the version as tag',
  'image.pullPolicy': '`Always`, `IfNotPresent` or `Never`',
  'image.pullSecrets': 'names of Secrets for a registry that asks for a login',
  paused: 'observe and report, write nothing but status',
  region: 'immutable',
  adopt: 'id of a cluster whose drives already hold data, to put a new resource over them',
  pools: '1 to 16, append-only',
  'io.engine': '`Auto`, `Uring` or `Poll`',
  'io.cores': 'data-plane threads of a node',
  'io.memory': "memory of a node's data plane, at least 64Mi",
  'transport.rdma.resource':
    'device-plugin resource that pods ask for; `Auto`: the one `rdma/` name that all members of a pool offer when they are chosen; `None`',
  'transport.rdma.count': 'how many of it',
  'network.host': 'host network: stable addresses, RDMA, no overlay; must be true',
  'network.s3Port': 'where nodes answer S3 clients',
  'network.peerPort': 'where nodes find each other; immutable',
  'network.adminPort': 'admin API, probes and metrics of a node',
  'tls.peer.mode':
    'between nodes. `Disabled`: authenticated only; `Accept`: encrypted where both ends can, a step on the way; `Require`: no link without TLS. Changed live and in safe steps',
  'tls.peer.secretRef':
    '`name` of a Secret with `tls.crt`, `tls.key` and `ca.crt`, as cert-manager makes it; all nodes show this certificate',
  'tls.peer.caSecretRef': "`name` and `key` (`ca.crt`) of the authorities that are trusted instead of secretRef's `ca.crt`",
  'tls.peer.name':
    'what the certificate is for; `{id}` stands for a node id, and it must then be for each; absent: NAME-nodes.NAMESPACE.svc',
  'credentials.root': 'Secrets with the root keys, one or two; absent: generated',
  'service.type': 'of the Service for S3 clients: `ClusterIP`, `NodePort` or `LoadBalancer`',
  'service.internalTrafficPolicy': '`Local`: clients are sent to the node they run on; `Cluster`: to any node',
  'service.annotations': 'of the Service for S3 clients',
  'service.loadBalancerClass': 'of the Service for S3 clients',
  'pod.resources': 'requests and limits; memory follows from io.memory where it is absent',
  'pod.tolerations': 'added to those for GPU taints',
  'pod.priorityClassName': 'of storage pods',
  'pod.seccompProfile': '`Unconfined` for engines Auto and Uring, `RuntimeDefault` for Poll',
  'pod.runAsUser': 'root: registered memory needs it where memlock is small',
  'pod.serviceAccountName': 'an existing one; absent: one is made',
  'pod.env': 'further environment variables, without NODE_NAME',
  'pod.labels': "of storage pods, beside the operator's own",
  'pod.annotations': "of storage pods, beside the operator's own",
  'update.type': '`Rolling`: restarts go on by themselves; `OnApproval`: each rollout waits for an annotation',
  'update.availability': 'what must go on while a node restarts: `KeepWritable` or `KeepReadable`',
  'update.minReadySeconds': 'for how long a node must be back before the next one goes; twice as long for the first',
  'update.progressDeadlineSeconds': 'a node that is not back by then stops the rollout',
  'disruption.guard': 'evictions wait until every set can spare the node',
  'disruption.keep': 'what drains must leave possible: `Writable` or `Readable`',
  'disruption.maxUnavailableNodes': 'nodes that may be drained at a time, at most what the layout spares',
};

/** By the path below an entry of spec.pools. */
export const poolMeanings: Readonly<Record<string, string>> = {
  name: 'immutable, at most 20 characters',
  'nodes.count': 'number of nodes; immutable',
  'nodes.gpu': 'only nodes with a GPU are chosen; `Ignore`',
  'nodes.rdma': 'only nodes with RDMA are chosen; `Prefer` takes those first; `Ignore`',
  'nodes.selector': 'narrows the choice; not together with names',
  'nodes.names': 'exactly these nodes; gpu, rdma and selector are then not looked at',
  'nodes.resources': 'further resources of which a node must have some to give',
  'nodes.topologyKey': 'node label whose values are zones; slots of a set are spread over them',
  'drives.directories': '`parent`, `names`, `mountCheck` (`Strict`: each is its own mount point; `Directory`: plain folders, for trials)',
  'drives.devices': '`paths` of whole raw devices; pods become privileged. Exactly one of directories and devices; immutable',
  'drives.adoptBlank': 'a blank drive in a slot that was filled before replaces the lost one and is healed; `false`: it is refused by name',
  erasure:
    "`setSize` (at most 16, divides the pool's drives) and `parity`; absent: chosen so that writes go on without one node and nodes can restart one after another; immutable",
  weight: 'share in placement',
};
