"""How the platform's commands end; Python's standard library only, as the Compose CLI needs no packages."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import NoReturn

from include.exceptions import MillraceError


def run(main: Callable[[], int | None]) -> NoReturn:
    """Call `main` and exit with the status it returns.

    A MillraceError is an expected failure: its message goes to stderr without a traceback, and the status
    is 1.
    """
    try:
        sys.exit(main())
    except MillraceError as error:
        sys.exit(str(error))
