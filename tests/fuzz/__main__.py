"""`make test WHAT=fuzz`: what no client sends, to the embedded lake and to the plugin's routes in Airflow.

schemathesis derives the requests from the descriptions of both: valid and invalid ones of every operation,
and chains of them. A failure is an error of the server, a status, a body or a content type that is not
described, or an answer without keys. `ARGS="--max-examples 500"` passes further options to schemathesis; with
`--seed`, which it prints, a run is repeated.
"""

from __future__ import annotations

import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.fuzz.lake import fuzz_lake
from tests.fuzz.schemathesis import Outcome
from tests.fuzz.webhook import fuzz_webhook
from tests.support.lake import run_lake_server

_EXAMPLES = ("--max-examples", "50")


def _lake(folder: Path, *options: str) -> Outcome:
    with run_lake_server(folder) as server:
        return fuzz_lake(server, *options)


def main() -> int:
    """Run both, print what was found, and return 1 if that is anything."""
    options = (*_EXAMPLES, *sys.argv[1:])
    failed = False
    for name, fuzz in (("lake", _lake), ("webhook", fuzz_webhook)):
        with TemporaryDirectory() as folder:
            outcome = fuzz(Path(folder), *options)
        print(outcome.output if outcome.failures else "", f"{name}: {outcome}", sep="\n", flush=True)
        failed = failed or bool(outcome.failures)
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
