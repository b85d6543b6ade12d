"""A small server that speaks lakeFS's API, for laptops, tests and CI.

It is reached over HTTP only, by the same client as a real lakeFS. Layers, top down:

- `app`: routes, status codes and JSON of the published API
- `repository`: branches, staging, commits, merges: what the API means
- `tree`: versions as sorted, immutable, content-addressed ranges (pure functions)
- `database` and `blobs`: where refs and object contents are kept

API: https://docs.lakefs.io/reference/api.html.
The design of versions: https://docs.lakefs.io/understand/how/versioning-internals/
"""
