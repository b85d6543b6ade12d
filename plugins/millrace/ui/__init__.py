"""What Millrace adds to the web UI and the API server."""
