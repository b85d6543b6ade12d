"""One run of the decide DAG against a real lake and MLflow's real store, task by task."""

from __future__ import annotations

from include.governance.data_decision import accept, discard, look_up, rules_of
from include.governance.ledger import Event, Ledger
from include.ingestion.quarantined import Quarantined
from include.ingestion.review import Review, review
from include.lake.idempotency import CommitResult
from include.run_identity import RunIdentity
from include.tracking.names import ledger_runs
from tests.support.ingest import IngestRun
from tests.support.pipeline import day

KEPT = "quarantine-test"


class Decider:
    """One run of the decide DAG, task by task."""

    def __init__(self, shop: IngestRun, name: str) -> None:
        self.shop = shop
        self.run = RunIdentity(dag_id=f"{shop.pipeline.name}.decide", run_id=name)
        self.ledger = Ledger(ledger_runs(shop.tracking, shop.pipeline.name))
        self.branch = f"accept-{name}"
        self.found: Quarantined | None = None
        self.reviewed: Review | None = None

    def find(self, branch: str = KEPT) -> Quarantined | None:
        self.found = look_up(self.shop.table, self.shop.pipeline.name, branch, self.ledger, self.run)
        return self.found

    def review(self) -> Review:
        assert self.found
        days = self.found.all_days
        ingestion = self.shop.ingestion((days[0] - day(0)).days, (days[-1] - day(0)).days)
        own = type(ingestion)(**{**vars(ingestion), "branch": self.branch, "run": self.run})
        self.reviewed = review(own, self.found, self.shop.experiment)
        return self.reviewed

    def publish(self) -> CommitResult:
        assert self.found
        assert self.reviewed
        return accept(
            self.shop.table,
            self.found,
            self.reviewed,
            branch=self.branch,
            into="main",
            reason="a pony is fine",
            person="ada",
            metadata={"failed_rules": rules_of(self.reviewed)},
            ledger=self.ledger,
            run=self.run,
        )

    def accept(self) -> CommitResult:
        self.find()
        self.review()
        return self.publish()

    def discard(self) -> None:
        assert self.found
        discard(
            self.shop.table,
            self.found,
            reason="a test feed",
            person="bob",
            ledger=self.ledger,
            run=self.run,
        )

    def decided(self) -> list[tuple[Event, str, str]]:
        return [(entry.event, entry.reason, entry.by) for entry in self.ledger.entries()]


def content(shop: IngestRun, ref: str = "main") -> dict[str, list[int]]:
    return {str(one): rows["id"].to_pylist() for one, rows in shop.table.partitions(ref, day(0), day(99))}
