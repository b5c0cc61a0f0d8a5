/**
 * Every metric that a node exports: name, kind, labels, meaning. Prometheus conventions: base units, unit last, counters
 * end in _total.
 */

export type MetricDefinition = {
  readonly name: string;
  readonly kind: 'counter' | 'gauge';
  readonly labels: readonly string[];
  readonly help: string;
};

export const metricDefinitions = {
  info: {
    name: 'openlake_info',
    kind: 'gauge',
    labels: ['version', 'engine', 'node'],
    help: 'Always 1; labels name version, I/O engine and node.',
  },
  ready: { name: 'openlake_ready', kind: 'gauge', labels: [], help: '1 while the S3 port serves clients.' },
  cores: { name: 'openlake_data_cores', kind: 'gauge', labels: ['state'], help: 'Data cores, configured and live.' },
  residentBytes: { name: 'openlake_resident_memory_bytes', kind: 'gauge', labels: [], help: 'Resident memory of the process.' },
  anonymousBytes: {
    name: 'openlake_anonymous_memory_bytes',
    kind: 'gauge',
    labels: [],
    help: 'Resident memory that no file backs: without the code of the process.',
  },
  memory: {
    name: 'openlake_memory_bytes',
    kind: 'gauge',
    labels: ['part'],
    help: 'Memory of the data plane: buffers in use, kept ones, and of all drives the index, cache and the rest.',
  },
  memoryLimit: { name: 'openlake_memory_limit_bytes', kind: 'gauge', labels: [], help: 'The budget of the data plane, `io.memory_bytes`.' },
  heapBytes: { name: 'openlake_javascript_heap_bytes', kind: 'gauge', labels: [], help: 'Used heap of the control plane.' },
  heapTotalBytes: {
    name: 'openlake_javascript_heap_total_bytes',
    kind: 'gauge',
    labels: [],
    help: 'Heap that the control plane took from the system, used or not.',
  },
  cpuSeconds: { name: 'openlake_cpu_seconds_total', kind: 'counter', labels: ['mode'], help: 'CPU time of the process, user and system.' },
  connections: { name: 'openlake_s3_connections', kind: 'gauge', labels: [], help: 'Open connections on the S3 port.' },
  connectionsTotal: { name: 'openlake_s3_connections_total', kind: 'counter', labels: [], help: 'Connections accepted on the S3 port.' },
  requests: { name: 'openlake_s3_requests_total', kind: 'counter', labels: ['operation'], help: 'S3 requests by operation.' },
  requestErrors: {
    name: 'openlake_s3_request_errors_total',
    kind: 'counter',
    labels: ['operation'],
    help: 'S3 requests answered with a status of 500 or more.',
  },
  requestSeconds: { name: 'openlake_s3_request_seconds_total', kind: 'counter', labels: ['operation'], help: 'Time spent on S3 requests.' },
  requestBytes: { name: 'openlake_s3_request_bytes_total', kind: 'counter', labels: ['operation'], help: 'Bytes of request bodies.' },
  responseBytes: { name: 'openlake_s3_response_bytes_total', kind: 'counter', labels: ['operation'], help: 'Bytes of response bodies.' },
  controlRequests: {
    name: 'openlake_control_requests_total',
    kind: 'counter',
    labels: ['operation', 'status'],
    help: 'Requests answered by the control plane, by operation and status.',
  },
  controlSeconds: {
    name: 'openlake_control_request_seconds_total',
    kind: 'counter',
    labels: ['operation'],
    help: 'Time that the control plane took for requests.',
  },
  controlWaiting: {
    name: 'openlake_control_requests_waiting',
    kind: 'gauge',
    labels: [],
    help: 'Requests that wait for the control plane.',
  },
  controlRefused: {
    name: 'openlake_control_requests_refused_total',
    kind: 'counter',
    labels: [],
    help: 'Requests answered SlowDown because the control plane was full or silent.',
  },
  driveState: {
    name: 'openlake_drive_healthy',
    kind: 'gauge',
    labels: ['drive', 'set', 'slot'],
    help: '1 while the drive serves without faults.',
  },
  driveRebuild: {
    name: 'openlake_drive_rebuild_segments_left',
    kind: 'gauge',
    labels: ['drive'],
    help: 'Log segments that a drive has still to read before it serves, where its index is made anew.',
  },
  driveBytes: { name: 'openlake_drive_bytes', kind: 'gauge', labels: ['drive', 'kind'], help: 'Capacity of a drive, and bytes used.' },
  driveKeys: { name: 'openlake_drive_keys', kind: 'gauge', labels: ['drive'], help: 'Keys in the index of a drive.' },
  driveMemory: {
    name: 'openlake_drive_memory_bytes',
    kind: 'gauge',
    labels: ['drive', 'part'],
    help: 'Memory that a drive takes: of its index (rows, unwritten rows, filters, fences, blocks), its cache, and in log, staging and backlog.',
  },
  driveMemoryLimit: {
    name: 'openlake_drive_memory_limit_bytes',
    kind: 'gauge',
    labels: ['drive', 'pool'],
    help: "Budget of a drive's index and of its cache.",
  },
  driveOperations: {
    name: 'openlake_drive_operations_total',
    kind: 'counter',
    labels: ['drive', 'kind'],
    help: 'Operations of a drive: reads, writes, flushes, batches, records, errors, cache hits and misses, corrupt blocks.',
  },
  driveTransfer: {
    name: 'openlake_drive_transfer_bytes_total',
    kind: 'counter',
    labels: ['drive', 'direction'],
    help: 'Bytes read from and written to a drive.',
  },
  driveLatency: {
    name: 'openlake_drive_latency_seconds_bucket',
    kind: 'counter',
    labels: ['drive', 'operation', 'le'],
    help: 'Device operations (reads, durable writes, flushes) that took at most le seconds; a histogram, for histogram_quantile.',
  },
  driveLatencyCount: {
    name: 'openlake_drive_latency_seconds_count',
    kind: 'counter',
    labels: ['drive', 'operation'],
    help: 'Device operations that were timed.',
  },
  driveLatencySum: {
    name: 'openlake_drive_latency_seconds_sum',
    kind: 'counter',
    labels: ['drive', 'operation'],
    help: 'Time that device operations took in all.',
  },
  driveWear: {
    name: 'openlake_drive_wear_ratio',
    kind: 'gauge',
    labels: ['drive'],
    help: 'Share of the rated endurance that is used, where the device tells; as it was when the drive was opened.',
  },
  healState: {
    name: 'openlake_drive_heal_state',
    kind: 'gauge',
    labels: ['drive', 'state'],
    help: '1 for the state that a drive is in: whole, blank (waits for its adoption), dirty (being filled) or healing.',
  },
  healObjects: { name: 'openlake_heal_objects_total', kind: 'counter', labels: ['drive'], help: 'Shards written by healing.' },
  healBytes: { name: 'openlake_heal_bytes_total', kind: 'counter', labels: ['drive'], help: 'Bytes of shards written by healing.' },
  healFailures: {
    name: 'openlake_heal_failures_total',
    kind: 'counter',
    labels: ['drive'],
    help: 'Tries to heal an object that failed; they are made again.',
  },
  healObjectsLeft: {
    name: 'openlake_heal_left_objects',
    kind: 'gauge',
    labels: ['drive'],
    help: 'Estimate of the objects that the pass under way has still to look at.',
  },
  healBytesLeft: { name: 'openlake_heal_left_bytes', kind: 'gauge', labels: ['drive'], help: 'Estimate of the bytes still to be healed.' },
  healWaiting: {
    name: 'openlake_heal_waiting_keys',
    kind: 'gauge',
    labels: ['drive', 'kind'],
    help: 'Keys that wait to be healed: missed while the drive was away (hints), or with a block found damaged.',
  },
  healShards: {
    name: 'openlake_heal_shards',
    kind: 'gauge',
    labels: ['drive', 'kind'],
    help: 'Sound shards of the object that had fewest in the last pass (least), and those of a whole one (all).',
  },
  hintsHeld: {
    name: 'openlake_hints_held',
    kind: 'gauge',
    labels: [],
    help: 'Keys of which this node remembers that slots elsewhere missed them.',
  },
  scrubObjects: { name: 'openlake_scrub_objects_total', kind: 'counter', labels: ['drive'], help: 'Shards whose blocks the scrub read.' },
  scrubBytes: { name: 'openlake_scrub_bytes_total', kind: 'counter', labels: ['drive'], help: 'Bytes that the scrub read.' },
  scrubDamaged: {
    name: 'openlake_scrub_damaged_blocks_total',
    kind: 'counter',
    labels: ['drive'],
    help: 'Damaged blocks found by the scrub.',
  },
  scrubDifferences: {
    name: 'openlake_scrub_differences_total',
    kind: 'counter',
    labels: ['drive'],
    help: 'Ranges of keys in which drives of a set differed.',
  },
  scrubPasses: { name: 'openlake_scrub_passes_total', kind: 'counter', labels: ['drive'], help: 'Whole passes of the scrub over a drive.' },
  peerConnected: { name: 'openlake_peer_connected', kind: 'gauge', labels: ['peer'], help: '1 while a link to the node is up.' },
  peerEncrypted: { name: 'openlake_peer_encrypted', kind: 'gauge', labels: ['peer'], help: '1 while the link to the node runs over TLS.' },
  peerRoundTripSeconds: { name: 'openlake_peer_round_trip_seconds', kind: 'gauge', labels: ['peer'], help: 'Round trip to the node.' },
  peerCertificateEnd: {
    name: 'openlake_peer_certificate_not_after_seconds',
    kind: 'gauge',
    labels: [],
    help: 'When the certificate that this node shows to others expires, in seconds since 1970; absent without TLS.',
  },
} as const satisfies Record<string, MetricDefinition>;

export type MetricKey = keyof typeof metricDefinitions;

/** One value of a metric. */
export type Sample = { readonly metric: MetricKey; readonly labels: Readonly<Record<string, string>>; readonly value: number };
