"""Access keys of the lake, in the form that lakeFS gives them; Python's standard library only."""

from __future__ import annotations

import secrets
import string

_PREFIX = "AKIAJ"
_RANDOM_CHARACTERS = 15


def new_access_key_id() -> str:
    """Return a random access key id, such as `AKIAJ4XJ2Q7LZ0P9R8T1`."""
    alphabet = string.ascii_uppercase + string.digits
    return _PREFIX + "".join(secrets.choice(alphabet) for _ in range(_RANDOM_CHARACTERS))
