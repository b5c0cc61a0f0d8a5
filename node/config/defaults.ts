/**
 * Defaults of the node's TOML, each with its reason.
 *
 * Units stand last in every name. A value that a user may leave out has its default here and nowhere else; the schema
 * refers to it, and the loader fills it in, so that the rest of the node only ever sees a complete configuration.
 */

/** Ports of interfaces that clients, peers and operators reach; the same on every node, so that an address is enough. */
export const DEFAULT_S3_PORT = 9000;
export const DEFAULT_PEER_PORT = 9001;
export const DEFAULT_ADMIN_PORT = 9002;

/** The region that S3 clients assume when nobody configured one. */
export const DEFAULT_REGION = 'us-east-1';

/** Share of a set in placement. 100 leaves room to go down in percent and up by factors without fractions. */
export const DEFAULT_WEIGHT = 100;

/** Memory of the data plane (buffers, index, record cache, tables). Enough for a full set of in-flight stripes on two
 * cores, and small enough that a trial cluster of four nodes fits on a laptop. */
export const DEFAULT_MEMORY_BYTES = 256 * 1024 * 1024;

/** Below this the buffer pool (half of it) holds fewer than 16 stripes of 16 shards, and uploads would starve. */
export const MINIMUM_MEMORY_BYTES = 64 * 1024 * 1024;

/** Connections per node, clients and peers together: half of the 8192 descriptors that common runtimes allow. */
export const DEFAULT_MAX_CONNECTIONS = 4096;

/** A request head has 10 s to arrive: longer than any healthy client needs, short enough to shed slow-head attacks. */
export const DEFAULT_HEAD_TIMEOUT_MS = 10_000;

/** A kept-alive connection without a request. SDKs drop theirs after about a minute; we must not be first. */
export const DEFAULT_IDLE_TIMEOUT_MS = 75_000;

/** A body that makes no progress for this long gives its buffers back. */
export const DEFAULT_BODY_TIMEOUT_MS = 60_000;

/** One request to a peer. Above the slowest flush of a healthy drive, below the patience of an S3 client. */
export const DEFAULT_PEER_TIMEOUT_MS = 5_000;

/**
 * After SIGTERM a node says that it is unready and goes on as before for this long, so that those who follow readiness have sent their
 * next connections elsewhere before it takes none. Endpoints of a Kubernetes Service change within a second or two.
 */
export const DEFAULT_DRAIN_DELAY_MS = 3_000;

/** Time to finish running requests after that: within Kubernetes' default grace of 30 s, with time left to close. */
export const DEFAULT_DRAIN_TIMEOUT_MS = 20_000;

/** The smallest drive that holds both superblocks, a log and some bulk. */
export const MINIMUM_CAPACITY_BYTES = 64 * 1024 * 1024;

/** Most slots of one set: quorums and repair cost grow with it, and 16 is where usable space stops to improve much. */
export const MAXIMUM_SET_SIZE = 16;
