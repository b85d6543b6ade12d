"""Files are parsed when what they are made of changes, and not because time passes."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest
from airflow.dag_processing.manager import DagFileInfo, DagFileStat

from millrace.components.dag_processor import ChangeProcessor, fingerprint


@pytest.fixture
def sources(tmp_path: Path) -> Path:
    """A folder with a DAG file, and a contract that it reads."""
    (tmp_path / "dag.py").write_text("# the DAG")
    (tmp_path / "shop").mkdir()
    (tmp_path / "shop" / "pipeline.yaml").write_text("name: shop")
    return tmp_path


@pytest.fixture
def processor(sources: Path) -> ChangeProcessor:
    """A processor that has seen these sources, and the DAG file parsed."""
    made = ChangeProcessor(max_runs=-1, folders=(sources,), paused=frozenset)
    queued(made, sources)
    return made


def queued(processor: ChangeProcessor, sources: Path) -> bool:
    """Whether the DAG file, parsed a moment ago, is to be parsed again."""
    file = DagFileInfo(rel_path=Path("dag.py"), bundle_name="dags-folder", bundle_path=sources)
    processor._file_queue.clear()
    processor._file_stats[file] = DagFileStat(last_finish_time=datetime.now(UTC))
    processor._next_look = 0
    processor.prepare_file_queue(known_files={"dags-folder": {file}})
    return file in processor._file_queue


def test_nothing_is_parsed_while_nothing_changes(processor: ChangeProcessor, sources: Path) -> None:
    assert not queued(processor, sources)


@pytest.mark.parametrize(
    "change",
    [
        lambda folder: (folder / "shop" / "pipeline.yaml").write_text("name: shop2"),
        lambda folder: (folder / "shop" / "pipeline.yaml").rename(folder / "shop" / "other.yaml"),
        lambda folder: (folder / "shop" / "pipeline.yaml").unlink(),
        lambda folder: (folder / "shop" / "model.py").touch(),
    ],
    ids=["changed", "renamed", "gone", "new"],
)
def test_a_changed_source_is_a_reason_to_parse_once(
    processor: ChangeProcessor, sources: Path, change: object
) -> None:
    assert callable(change)
    change(sources)

    assert queued(processor, sources)
    assert not queued(processor, sources)


def test_a_dag_that_is_paused_or_unpaused_is_a_reason_to_parse_once(
    processor: ChangeProcessor, sources: Path
) -> None:
    for paused in (frozenset({"on_commit"}), frozenset[str]()):
        processor.paused = lambda now=paused: now  # type: ignore[misc]

        assert queued(processor, sources)
        assert not queued(processor, sources)


def test_bytecode_and_data_are_no_sources(processor: ChangeProcessor, sources: Path) -> None:
    (sources / "__pycache__").mkdir()
    (sources / "__pycache__" / "dag.py").touch()
    (sources / "rows.parquet").touch()

    assert not queued(processor, sources)


def test_links_to_themselves_and_back_up_are_looked_at_once(sources: Path) -> None:
    before = fingerprint((sources,))
    for name in ("up", "up_again"):
        (sources / "shop" / name).symlink_to("..")
    (sources / "loop.yaml").symlink_to("loop.yaml")
    assert fingerprint((sources,)) == before


def test_a_change_while_a_file_is_parsed_is_seen_afterwards(
    processor: ChangeProcessor, sources: Path
) -> None:
    other = DagFileInfo(rel_path=Path("other.py"), bundle_name="dags-folder", bundle_path=sources)
    processor._processors[other] = object()  # type: ignore[assignment] # something that is parsed
    (sources / "dag.py").write_text("# another DAG of the same pipeline")
    queued(processor, sources)

    processor._processors.clear()

    assert queued(processor, sources)


def test_all_is_parsed_once_more_later_so_that_dags_which_left_their_file_are_found(
    processor: ChangeProcessor, sources: Path
) -> None:
    assert 0 < processor._second_parse < float("inf")
    processor._second_parse = 0

    assert queued(processor, sources)
    assert not queued(processor, sources)
