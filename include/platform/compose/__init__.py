"""The platform on one server: programs and settings for `docker-compose.yaml`.

`python -m include.platform.compose` is the operator's CLI. It needs Python's standard library only, so a
server needs Docker and `make`, but no virtual environment. `databases`, `init`, `health` and `retention`
run inside the containers.
"""
