"""Reading pipelines: every fault is reported at once, with its path, and hides nothing else."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from include.contract import code, loader
from include.exceptions import Fault, Misconfigured, PipelineInvalid
from include.settings import settings
from tests.support.pipeline import write_pipeline


def faults(folder: Path) -> list[Fault]:
    with pytest.raises(PipelineInvalid) as raised:
        loader.load(folder)
    assert raised.value.file == str(folder / "pipeline.yaml")
    assert all(f"  {path}: {message}" in str(raised.value) for path, message in raised.value.faults)
    return raised.value.faults


def test_a_good_pipeline_is_read_with_its_defaults(tmp_path: Path) -> None:
    spec = loader.load(write_pipeline(tmp_path))
    assert (spec.name, spec.model.features.all) == ("orders", ["amount", "kind"])
    assert (spec.training.window.days, spec.schedule.ingest, spec.lake.branch) == (90, "@daily", "main")


@pytest.mark.parametrize(
    ("name", "repository"),
    [("orders", "orders"), ("a_b__c_", "a-b--c-"), ("abc", "abc"), ("a" * 63, "a" * 63)],
)
def test_a_repository_that_is_left_out_has_the_pipelines_name(
    tmp_path: Path, name: str, repository: str
) -> None:
    folder = write_pipeline(tmp_path, name)
    without_repository(folder)
    assert loader.load(folder).lake.repository == repository
    assert loader.load(folder).tables[0] == (repository, "main", "orders")


@pytest.mark.parametrize("name", ["ab", "a"])
def test_a_name_that_is_too_short_for_a_repository_needs_one(tmp_path: Path, name: str) -> None:
    folder = write_pipeline(tmp_path, name)
    without_repository(folder)
    assert faults(folder) == [
        Fault(
            "lake.repository",
            f"is left out, and {name!r} is too short for a repository; name one of 3 to 63 lower-case "
            "letters, digits and '-'",
        )
    ]


def test_a_wrong_name_is_one_fault_without_a_repository_too(tmp_path: Path) -> None:
    folder = write_pipeline(tmp_path, "my-orders")
    without_repository(folder)
    assert [fault.path for fault in faults(folder)] == ["name"]


def test_a_folder_that_cannot_be_a_name_is_told_the_nearest(tmp_path: Path) -> None:
    folder = write_pipeline(tmp_path, "my_orders").rename(tmp_path / "my-orders")
    shown = "'my_orders' differs from its folder 'my-orders'; make them equal, such as 'my_orders'"
    assert faults(folder) == [Fault("name", shown)]


def without_repository(folder: Path) -> None:
    file = folder / "pipeline.yaml"
    raw = yaml.safe_load(file.read_text())
    del raw["lake"]["repository"]
    file.write_text(yaml.safe_dump(raw))


def test_the_shipped_pipelines_are_valid() -> None:
    folder = settings().pipelines
    names = loader.names(folder)
    assert names
    assert [spec.name for spec in loader.valid(folder)] == names


def test_every_fault_of_a_file_is_told_at_once(tmp_path: Path) -> None:
    folder = write_pipeline(
        tmp_path,
        owner=None,
        ownr="shop",
        source={"partition_bye": "time", "timezone": "Europe/Atlantis"},
        schedule={"ingest": "every day"},
        model={"seed": "seven", "features": {"numerical": ["amount", "returned"], "categorical": ["time"]}},
        training={"window": "7d", "holdout": "14d"},
        monitoring={"window": "36h"},
    )
    assert faults(folder) == [
        Fault(
            "model.features.categorical[0]",
            "'time' is the time column; derive features such as hour or weekday",
        ),
        Fault(
            "model.features.numerical[1]",
            "'returned' is the target; a feature equal to it would leak the answer",
        ),
        Fault("model.seed", "'seven': input should be a valid integer, unable to parse string as an integer"),
        Fault("monitoring.window", "1 day, 12:00:00 is not a whole number of days; write days, such as '7d'"),
        Fault("owner", "is missing"),
        Fault(
            "ownr",
            "is not a known key; did you mean 'owner'? allowed: columns, description, exports, gate, "
            "labels, lake, model, monitoring, name, owner, privacy, schedule, source, tags, training, "
            "validation",
        ),
        Fault(
            "schedule.ingest",
            "'every day' is not a cron expression; write five fields or a preset such as '@daily'",
        ),
        Fault(
            "source.partition_bye",
            "is not a known key; did you mean 'partition_by'? allowed: callable, conn_id, csv, delta, excel, "
            "extra, invalid_time, late, max_days, max_dropped, missing, missing_timeout, partition_by, "
            "query, reader, skip_days, timeout, timezone, uri",
        ),
        Fault(
            "source.timezone",
            "'Europe/Atlantis' is not a time zone; write an IANA name such as 'Europe/Berlin'",
        ),
        Fault(
            "training",
            "holdout (14d) must be shorter than window (7d): the holdout is cut from the end of the window",
        ),
    ]


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        (
            {"source": {"reader": "access"}},
            Fault(
                "source.reader",
                "'access': input should be 'parquet', 'csv', 'jsonl', 'excel', 'delta', 'sql' or 'python'",
            ),
        ),
        ({"source": {"reader": "sql"}}, Fault("source", "reader 'sql' needs the key 'conn_id'")),
        (
            {"source": {"reader": "sql", "conn_id": "shop"}},
            Fault("source", "reader 'sql' needs the key 'query'"),
        ),
        (
            {"training": {"window": "0d"}},
            Fault(
                "training.window",
                "'0d' is not a valid duration; write a whole number and s, m, h, d or w, such as '90d'",
            ),
        ),
        (
            {"monitoring": {"retrain": {"failures": 4, "of": 3}}},
            Fault("monitoring.retrain", "failures (4) can never be reached in 3 day(s)"),
        ),
        (
            {"monitoring": {"drift": {"sharee": 1}}},
            Fault(
                "monitoring.drift.sharee",
                "is not a known key; did you mean 'share'? allowed: methods, share",
            ),
        ),
        (
            {"gate": {"minimum": 0.5, "slices": {"column": "kind", "max_dropp": 1}}},
            Fault(
                "gate.slices.max_dropp",
                "is not a known key; did you mean 'max_drop'? allowed: column, max_drop",
            ),
        ),
        (
            {"model": {"features": {"numerical": ["amount"], "categorical": ["amount"]}}},
            Fault(
                "model.features.categorical[0]", "'amount' is listed already, at model.features.numerical[0]"
            ),
        ),
        (
            {"model": {"features": {"numerical": ["prediction"]}}},
            Fault(
                "model.features.numerical[0]",
                "'prediction' is the name of the model's predictions; rename the column",
            ),
        ),
        (
            {"model": {"features": {"numerical": ["weight%"]}}},
            Fault(
                "model.features.numerical[0]",
                "'weight%' is not a valid name in MLflow; use letters, digits, '_', '-', '.', ' ' and '/'",
            ),
        ),
        (
            {"model": {"features": {}}},
            Fault("model.features", "names no column; a model needs at least one"),
        ),
        (
            {"model": {"features": {"numerical": ["amount", {"kind": 1}]}}},
            Fault("model.features.numerical[1]", "Input should be a valid string"),
        ),
        (
            {"privacy": {"drop": ["kind"]}},
            Fault(
                "model.features.categorical[0]",
                "'kind' is dropped by privacy.drop; name another column, or keep it",
            ),
        ),
        (
            {"privacy": {"drop": ["time"]}},
            Fault("model.time", "'time' is dropped by privacy.drop; name another column, or keep it"),
        ),
        (
            {"gate": "strict"},
            Fault("gate", "'strict': input should be a valid dictionary or instance of Gate"),
        ),
    ],
)
def test_a_fault_names_its_path_and_what_is_allowed(
    tmp_path: Path, changes: dict[str, Any], expected: Fault
) -> None:
    assert expected in faults(write_pipeline(tmp_path, **changes))


def test_a_folder_named_otherwise_and_missing_files_are_faults(tmp_path: Path) -> None:
    folder = write_pipeline(tmp_path).rename(tmp_path / "sales")
    (folder / "model.py").unlink()
    (folder / "expectations.yaml").unlink()
    assert faults(folder) == [
        Fault("model", f"{folder}/model.py does not exist; write it"),
        Fault("name", "'orders' differs from its folder 'sales'; make them equal"),
        Fault("validation.suite", f"{folder}/expectations.yaml does not exist; write it"),
    ]


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"name: orders\nsource: {reader: csv\nlake: 1\n", Fault("line 3", "not readable as YAML: ")),
        (b"name: orders\n\tlake: 1\n", Fault("line 2", "not readable as YAML: ")),
        (b"- a\n- b\n", Fault("file", "is list; write keys and values")),
        (b"", Fault("file", "is NoneType; write keys and values")),
        ("owner: Jörg\n".encode("latin-1"), Fault("file", "not readable as UTF-8: byte 8 is 0xf6; save it")),
    ],
    ids=["open-bracket", "tab", "list", "empty", "latin-1"],
)
def test_a_file_that_is_no_contract_says_where(tmp_path: Path, content: bytes, expected: Fault) -> None:
    folder = write_pipeline(tmp_path)
    (folder / "pipeline.yaml").write_bytes(content)
    [found] = faults(folder)
    assert found.path == expected.path
    assert found.message.startswith(expected.message)


def test_a_pipeline_that_is_not_there_says_which_are(tmp_path: Path) -> None:
    write_pipeline(tmp_path, "orders")
    with pytest.raises(Misconfigured, match=f"there is no pipeline 'sales' in {tmp_path}; there is: orders"):
        loader.load(tmp_path / "sales")


def test_broken_pipelines_hide_neither_each_other_nor_the_good_ones(tmp_path: Path) -> None:
    for name in ("orders", "returns", "sales"):
        write_pipeline(tmp_path, name, lake={"table": name})
    (tmp_path / "orders/pipeline.yaml").write_text("a: [")
    (tmp_path / "sales/model.py").unlink()
    assert [spec.name for spec in loader.valid(tmp_path)] == ["returns"]
    orders, sales = loader.errors(tmp_path)
    assert f"{tmp_path}/orders/pipeline.yaml: 1 fault(s)" in str(orders)
    assert f"{tmp_path}/sales/pipeline.yaml: 1 fault(s)" in str(sales)


def test_a_table_of_two_pipelines_is_reported_and_both_keep_their_dags(tmp_path: Path) -> None:
    for name, lake in (("orders", {}), ("orders_copy", {}), ("returns", {"table": "orders_predictions"})):
        write_pipeline(tmp_path, name, lake=lake)
    write_pipeline(tmp_path, "sales", lake={"repository": "sales"})

    assert [spec.name for spec in loader.valid(tmp_path)] == ["orders", "orders_copy", "returns", "sales"]
    copy, returns = loader.errors(tmp_path)
    assert [fault.message.split(":")[0] for fault in (*copy.faults, *returns.faults)] == [
        f"{table!r} on 'main' of 'orders' is the table of pipeline 'orders', too"
        for table in ("orders", "orders_predictions")
    ]


@pytest.mark.parametrize(
    ("file", "content", "fault"),
    [
        (
            "model.py",
            "x = 1\ndef build(:\n",
            Fault("line 2", "is not valid Python: invalid syntax"),
        ),
        ("model.py", "def fit(): ...", Fault("build", "is not defined; see docs/pipelines.md")),
        ("source.py", "load = 1", Fault("read", "is not defined; see docs/pipelines.md")),
        (
            "expectations.yaml",
            "rows: []",
            Fault("partitions", "is empty; at least expect a count"),
        ),
    ],
)
def test_a_file_that_cannot_work_is_named_and_the_contract_is_valid(
    tmp_path: Path, file: str, content: str, fault: Fault
) -> None:
    source = {"reader": "python", "uri": None, "callable": "include.pipelines.orders.source:read"}
    folder = write_pipeline(tmp_path, source=source)
    (folder / file).write_text(content)
    [error] = loader.errors(tmp_path)
    assert error.file == str(folder / file)
    assert error.faults[0].path == fault.path
    assert error.faults[0].message.startswith(fault.message)
    assert [pipeline.name for pipeline in loader.valid(tmp_path)] == ["orders"]


@pytest.mark.parametrize(
    "content", ["from theirs import build", "from theirs import *", "try:\n    build = 1\nfinally:\n    pass"]
)
def test_a_function_may_be_defined_in_any_way(tmp_path: Path, content: str) -> None:
    (write_pipeline(tmp_path) / "model.py").write_text(content)
    assert list(loader.errors(tmp_path)) == []


def test_folders_that_cannot_be_looked_into_are_pipelines_and_others_are_not(tmp_path: Path) -> None:
    write_pipeline(tmp_path, "orders")
    (tmp_path / "empty").mkdir()
    (tmp_path / "notes.txt").touch()
    for name in ("gone", ".#lock"):
        (tmp_path / name).symlink_to("nowhere")
    (tmp_path / "loop").symlink_to("loop")
    (tmp_path / "again").symlink_to("orders")
    assert loader.names(tmp_path) == ["again", "gone", "loop", "orders"]
    assert loader.names(tmp_path / "nowhere") == []
    with pytest.raises(Misconfigured, match=r"notes\.txt, cannot be listed: Not a directory; set MILLRACE"):
        loader.names(tmp_path / "notes.txt")


def test_a_contract_that_takes_long_to_read_is_logged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    folder = write_pipeline(tmp_path)
    loader.load(folder)
    assert caplog.messages == []
    monkeypatch.setattr(loader, "_SLOW_SECONDS", 0.0)
    loader.load(folder)
    [message] = caplog.messages
    assert message.startswith("the contract of 'orders' took 0.")


def test_a_message_repeats_no_long_value_and_no_secret(tmp_path: Path) -> None:
    unknown: dict[str, Any] = {f"key{number}": 1 for number in range(100)}
    folder = write_pipeline(
        tmp_path,
        source={"uri": ["s3://me:hunter2@bucket"], "reader": "x" * 5000},
        model={"features": {"numerical": ["y" * 5000]}},
        **unknown,
    )
    with pytest.raises(PipelineInvalid) as raised:
        loader.load(folder)
    told = str(raised.value)
    assert "hunter2" not in told
    assert not {"x" * 200, "y" * 200} & {told[at : at + 200] for at in range(len(told))}
    assert "  … and " in told


def test_a_module_is_imported_once_and_its_faults_are_told(tmp_path: Path) -> None:
    folder = write_pipeline(tmp_path, "moduletest")
    assert code.load_module(folder, "model.py") is code.load_module(folder, "model.py")
    assert code.load_function(folder, "model.py", "build").__name__ == "build"
    with pytest.raises(Misconfigured, match="defines no function 'fit'"):
        code.load_function(folder, "model.py", "fit")
    for content, error in (
        ("import no_such_module", "ModuleNotFoundError"),
        ("raise SystemExit", "SystemExit"),
    ):
        (folder / "broken.py").write_text(content)
        with pytest.raises(Misconfigured, match=rf"import of .*broken\.py failed with {error}"):
            code.load_module(folder, "broken.py")
    with pytest.raises(Misconfigured, match=r"absent\.py is missing"):
        code.load_module(folder, "absent.py")
