"""Versioned tables of partitions, on lakeFS or on the embedded server that speaks the lakeFS API."""
