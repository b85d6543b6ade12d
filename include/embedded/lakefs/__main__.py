"""`python -m include.embedded.lakefs`: the server, configured by the environment of a real lakeFS."""

from __future__ import annotations

import uvicorn

from include.embedded.lakefs.app import create_app
from include.settings import LakeServerSettings


def main() -> None:
    """Serve until told to stop."""
    settings = LakeServerSettings()
    host, _, port = settings.listen_address.rpartition(":")
    app = create_app(settings.path, settings.access_key_id, settings.secret_access_key)
    uvicorn.run(app, host=host, port=int(port), log_level="warning", timeout_graceful_shutdown=3)


if __name__ == "__main__":
    main()
