"""A small server that speaks lakeFS's API, for laptops, tests and CI.

It is reached over HTTP only, by the same clients as a real lakeFS. Layers, top down; each knows those below:

    app, auth                   what it is made of, who may ask, how faults are answered
    routes/                     the published API, one module for what it serves; uploads, answers, ranges
    repository > staging > refs what the API means: commits and merges, on objects, on branches and tags
    garbage                     takes away what nothing reaches, beside the server
    tree, listing               versions as sorted, immutable, content-addressed ranges (pure functions)
    database, schema; blobs     where refs and versions, and the contents of objects, are kept

Where lakeFS's specification and its behaviour differ, it follows the behaviour, except where that is an
error of the server's (5xx) or would call a failure a success.

API: https://docs.lakefs.io/reference/api.html.
The design of versions: https://docs.lakefs.io/understand/how/versioning-internals/
"""
