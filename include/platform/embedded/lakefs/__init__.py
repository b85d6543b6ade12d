"""A small server with lakeFS's API, for laptops, tests and CI.

It is used over HTTP only, by the same clients as a real lakeFS. Layers, top down; each imports those below
it only:

    app, auth, gateway          the server, authentication, error responses; the answer to S3 clients
    metrics                     counts and durations of requests
    routes/                     the published API, one module per resource; uploads, responses, ranges
    hooks > actions > webhooks  what refuses or follows a change; runs: what became of it
    repository > staging > refs semantics: commits and merges; objects and staging; branches and tags
    events                      a change as its hooks see it
    garbage                     garbage collection, in a separate process
    tree, listing               versions as sorted, immutable, content-addressed ranges (pure functions)
    database, schema; blobs     storage of refs and versions, and of the objects' contents

Where lakeFS's specification and its behaviour differ, this server follows the behaviour, unless that is a
server error (5xx) or reports a failure as a success.

API: https://docs.lakefs.io/reference/api.html.
The design of versions: https://docs.lakefs.io/understand/how/versioning-internals/
"""
