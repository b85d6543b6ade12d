"""Parts of the web UI and the API server: links to lakeFS and MLflow, lakeFS's webhook."""
