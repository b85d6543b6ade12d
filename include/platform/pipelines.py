"""`make pipelines`: list the pipelines with the state of their files; the status is 1 if one is broken."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.markup import escape

from include.contract import loader
from include.contract.data import Reader
from include.contract.pipeline import Pipeline
from include.exceptions import PipelineInvalid
from include.platform import cli
from include.platform.picture import picture
from include.settings import settings


@dataclass(frozen=True, kw_only=True)
class Listed:
    """A pipeline in the list, with the faults of its files; without a contract the rest is empty."""

    name: str
    faults: tuple[str, ...]
    schedule: str = ""
    table: str = ""
    source: str = ""

    @property
    def state(self) -> str:
        """The state of its files: ok, or the number of faults with the first."""
        if not self.faults:
            return "ok"
        return f"{len(self.faults)} fault(s): {self.faults[0]}"


def list_pipelines(folder: Path) -> list[Listed]:
    """Return the pipelines of a folder, by name."""
    results = dict(zip(loader.names(folder), loader.read_all(folder), strict=True))
    faults: dict[str, list[str]] = defaultdict(list)
    for error in loader.errors(folder, results.values()):
        file = Path(error.file)
        faults[file.parent.name] += [f"{file.name}: {path}: {message}" for path, message in error.faults]
    return [_listed(name, found, tuple(faults[name])) for name, found in results.items()]


def _listed(name: str, found: Pipeline | PipelineInvalid, faults: tuple[str, ...]) -> Listed:
    if isinstance(found, PipelineInvalid):
        return Listed(name=name, faults=faults)
    schedule, lake, source = found.schedule, found.lake, found.source
    crons = {"ingest": schedule.ingest, "train": schedule.train, "monitor": schedule.monitor}
    where = {Reader.SQL: source.conn_id, Reader.PYTHON: source.callable}.get(source.reader, source.uri)
    return Listed(
        name=name,
        faults=faults,
        schedule="\n".join(f"{stage} {cron}" for stage, cron in crons.items() if cron) or "on demand",
        table=f"{lake.repository}/{lake.branch}/{lake.table}",
        source=f"{source.reader.value} {where}",
    )


def main(_: Sequence[str] | None = None) -> int:
    """Print the list; return 1 if a pipeline is broken."""
    found = list_pipelines(settings().pipelines)
    table = picture("pipeline", "contract", "schedule", "table", "source")
    for one in found:
        colour = "red" if one.faults else "green"
        cells = (one.schedule, one.table, one.source)
        table.add_row(one.name, f"[{colour}]{escape(one.state)}", *map(escape, cells))
    console = Console(highlight=False)
    console.print(table)
    broken = sum(bool(one.faults) for one in found)
    console.print(f"{len(found)} pipeline(s) in {settings().pipelines}, {broken} broken", soft_wrap=True)
    return int(broken > 0)


if __name__ == "__main__":
    cli.run(main)
