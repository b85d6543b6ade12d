"""Section `training`: the window of history, and where jobs run with which limits."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Annotated, Literal

from pydantic import (
    AfterValidator,
    Field,
    WithJsonSchema,
    model_validator,
)

from include.contract.numbers import NUMBER
from include.contract.text import Image, LabelKey, LabelValue
from include.contract.types import Days, Section, TimeLimit
from include.excerpt import quote
from include.settings import Runtime


def _bytes(memory: str) -> int:
    return int(memory[:-2]) * (2**20 if memory.endswith("Mi") else 2**30)


def _check_memory(value: str) -> str:
    if not re.fullmatch(r"[1-9][0-9]{0,6}(Mi|Gi)", value):
        raise ValueError(
            f"{quote(value)} is not an amount of memory; write a number and Mi or Gi, such as '2Gi'"
        )
    # Docker starts no container with less; the upper bound is within its 64-bit count of bytes.
    if not _bytes("6Mi") <= _bytes(value) <= _bytes("65536Gi"):
        raise ValueError(f"{quote(value)} is outside of 6Mi to 65536Gi")
    return value


class Resources(Section):
    """Limits of a job's container; the runtime `process` enforces none."""

    cpu: Annotated[float, Field(ge=0.1, le=1024), NUMBER] = Field(1, description="Cores; a hard limit.")
    memory: Annotated[
        str,
        AfterValidator(_check_memory),
        WithJsonSchema({"type": "string", "pattern": "^[1-9][0-9]{0,6}(Mi|Gi)$", "examples": ["4Gi"]}),
    ] = Field("2Gi", description="A job that exceeds it is killed; swap is not used.")
    gpu: Annotated[int, Field(ge=0, le=1024), NUMBER] = 0

    @property
    def memory_bytes(self) -> int:
        """Return the memory in bytes."""
        return _bytes(self.memory)


class Toleration(Section):
    """A taint of nodes that the job tolerates, in the terms of Kubernetes."""

    key: LabelKey | None = Field(None, description="null, with `Exists`: any.")
    operator: Literal["Equal", "Exists"] = "Equal"
    value: LabelValue | None = None
    effect: Literal["NoSchedule", "PreferNoSchedule", "NoExecute"] | None = Field(
        None, description="null: any."
    )

    @model_validator(mode="after")
    def _operator_fits(self) -> Toleration:
        if self.operator == "Exists" and self.value is not None:
            raise ValueError("operator 'Exists' takes no value; leave it out, or write 'Equal'")
        if self.operator == "Equal" and self.key is None:
            raise ValueError("operator 'Equal' needs a key; name it, or write 'Exists' for any taint")
        return self


class Training(Section):
    """How much history a model learns from, and where its jobs run."""

    window: Days = timedelta(days=90)
    holdout: Days = timedelta(days=14)
    runtime: Runtime = Runtime.AUTO
    image: Image | None = Field(
        None, description="The container image of the jobs; null: the deployment's. See docs/job-contract.md."
    )
    resources: Resources = Resources()
    node_selector: dict[LabelKey, LabelValue] = Field(
        default_factory=dict, description="kubernetes: labels that a node must have."
    )
    tolerations: tuple[Toleration, ...] = Field((), description="kubernetes: taints that a node may have.")
    timeout: TimeLimit = timedelta(hours=1)

    @model_validator(mode="after")
    def _holdout_inside_window(self) -> Training:
        if self.holdout >= self.window:
            raise ValueError(
                f"holdout ({self.holdout.days}d) must be shorter than window ({self.window.days}d): "
                "the holdout is cut from the end of the window"
            )
        return self
