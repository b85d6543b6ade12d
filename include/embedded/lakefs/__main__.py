"""`python -m include.embedded.lakefs`: the server, configured by the environment of a real lakeFS."""

from __future__ import annotations

import uvicorn

from include.embedded.lakefs.app import create_app
from include.embedded.lakefs.auth import Keys
from include.settings import LakeServerSettings


def main() -> None:
    """Serve until told to stop."""
    settings = LakeServerSettings()
    host, _, port = settings.listen_address.rpartition(":")
    keys = [Keys("admin", settings.access_key_id, settings.secret_access_key)]
    if settings.read_only_access_key_id:
        reader = settings.read_only_access_key_id, settings.read_only_secret_access_key
        keys.append(Keys("reader", *reader, read_only=True))
    app = create_app(settings.path, *keys)
    uvicorn.run(app, host=host, port=int(port), log_level="warning", timeout_graceful_shutdown=3)


if __name__ == "__main__":
    main()
