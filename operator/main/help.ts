/** What `--help` of the operator prints; apart from the code, so that it costs no libraries. */

export const DEFAULT_HEALTH_ADDRESS = '0.0.0.0:8081';

export const operatorHelp = `Usage: openlake operator [--kubeconfig FILE] [--namespace NS]... [--health-address HOST:PORT]

Runs the operator: makes OpenLakeCluster resources of an API server come true. Several may run; one works, others stand by.

  --kubeconfig FILE           the API server and the rights to use (default: the service account of the pod)
  --namespace NS              a namespace to watch; may be repeated (default: $WATCH_NAMESPACES, else the pod's own or the kubeconfig's)
  --health-address HOST:PORT  where /healthz, /readyz and /metrics are served (default: ${DEFAULT_HEALTH_ADDRESS})
  --help                      this text
`;
