"""Jobs in pods of a Kubernetes cluster."""
