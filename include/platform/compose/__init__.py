"""The platform on one server: what `docker-compose.yaml` needs beside itself.

`python -m include.platform.compose` is the operator's CLI. It and what it imports need Python's standard
library only, so that a server needs Docker and `make` and no virtual environment. `databases`, `init`,
`health` and `retention` run inside the containers.
"""
