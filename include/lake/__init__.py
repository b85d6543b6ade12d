"""The lake: versioned tables of partitions, on lakeFS or on the embedded server that speaks its API."""
