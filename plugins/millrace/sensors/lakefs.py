"""Sensors of the lake: wait for commits, objects and tags."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NoReturn

from airflow.sdk import BaseSensorOperator, Context, PokeReturnValue
from airflow.sdk.configuration import conf

from include import exceptions
from include.lake.conditions import evaluate_condition
from millrace.hooks.lakefs import LakeFSHook
from millrace.operators.lakefs.base import LakeFSMixin

WAIT_DEFAULTS = {"mode": "reschedule", "poke_interval": 60.0, "timeout": 12 * 3600.0}
"""Default arguments of a sensor: check every minute for half a day, without a worker slot in between."""


class LakeFSSensor(LakeFSMixin, BaseSensorOperator):
    """Base of the sensors of one repository: they wait until a condition is met.

    A missing ref, object or tag is waited for. A transient error is left to the task's retries or, if
    `deferrable`, waited out in the triggerer. Any other error fails the task at once.

    :param repository: the repository's name; default: the connection's default repository.
    :param lakefs_conn_id: the Airflow connection of the lake.
    :param deferrable: wait in the triggerer.
    """

    template_fields: Sequence[str] = ("repository", "lakefs_conn_id")
    condition: str
    """Name of the condition, see `include.lake.conditions.CONDITIONS`."""
    condition_arguments: Sequence[str]
    """Names of the condition's arguments, which are attributes of the sensor."""

    def __init__(
        self,
        *,
        repository: str | None = None,
        lakefs_conn_id: str = LakeFSHook.default_conn_name,
        deferrable: bool = conf.getboolean("operators", "default_deferrable", fallback=False),
        **kwargs: Any,
    ) -> None:
        super().__init__(**{**WAIT_DEFAULTS, **kwargs})
        self.repository = repository
        self.lakefs_conn_id = lakefs_conn_id
        self.deferrable = deferrable

    def poke(self, context: Context) -> bool | PokeReturnValue:
        match = self._evaluate()
        return PokeReturnValue(match is not None, match)

    def execute(self, context: Context) -> Any:
        if not self.deferrable:
            return super().execute(context)
        if (match := self._evaluate()) is None:
            self._defer()
        return match

    def _evaluate(self) -> dict[str, Any] | None:
        return evaluate_condition(self.lake(), self.condition, **self._argument_values)

    def _defer(self) -> NoReturn:
        from millrace.triggers.lakefs import LakeFSTrigger

        trigger = LakeFSTrigger(
            condition=self.condition,
            condition_arguments=self._argument_values,
            repository=self.repository,
            lakefs_conn_id=self.lakefs_conn_id,
            poll_interval=self.poke_interval,
        )
        self.defer(trigger=trigger, method_name="execute_complete", timeout=self.timeout)

    def execute_complete(self, context: Context, event: dict[str, Any]) -> dict[str, Any]:
        """Return the trigger's match, or raise its error."""
        if "error" in event:
            raise getattr(exceptions, event["error"])(event["message"])
        match: dict[str, Any] = event["match"]
        return match

    @property
    def _argument_values(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in self.condition_arguments}


class LakeFSCommitSensor(LakeFSSensor):
    """Wait until a ref points to a commit other than a known one; returns `{ref, commit}`.

    :param ref: a branch, tag or expression, which need not exist yet.
    :param known_commit: the id of the commit to ignore; default: wait for any commit.
    """

    condition = "commit_changed"
    condition_arguments = ("ref", "known_commit")
    template_fields: Sequence[str] = (*LakeFSSensor.template_fields, *condition_arguments)

    def __init__(self, *, ref: str, known_commit: str = "", **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.ref = ref
        self.known_commit = known_commit


class LakeFSObjectSensor(LakeFSSensor):
    """Wait until an object exists; returns `{ref, path, size, checksum}`.

    :param ref: a branch, tag, commit or expression, which need not exist yet; on a branch, uncommitted
        objects count.
    :param path: the object's path in the lake.
    """

    condition = "object_exists"
    condition_arguments = ("ref", "path")
    template_fields: Sequence[str] = (*LakeFSSensor.template_fields, *condition_arguments)

    def __init__(self, *, ref: str, path: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.ref = ref
        self.path = path


class LakeFSPrefixSensor(LakeFSSensor):
    """Wait until objects exist below a prefix; returns `{ref, prefix, path}` with the first object's path.

    :param ref: a branch, tag, commit or expression, which need not exist yet; on a branch, uncommitted
        objects count.
    :param prefix: the prefix in the lake.
    :param min_objects: the number of objects to wait for, at least 1.
    """

    condition = "prefix_has_objects"
    condition_arguments = ("ref", "prefix", "min_objects")
    template_fields: Sequence[str] = (*LakeFSSensor.template_fields, "ref", "prefix")

    def __init__(self, *, ref: str, prefix: str, min_objects: int = 1, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if min_objects < 1:
            raise ValueError(
                f"min_objects is {min_objects!r}, but an empty prefix always exists; set 1 or more"
            )
        self.ref = ref
        self.prefix = prefix
        self.min_objects = min_objects


class LakeFSTagSensor(LakeFSSensor):
    """Wait until a tag exists; returns `{tag, commit}`.

    :param tag: the tag's name.
    """

    condition = "tag_exists"
    condition_arguments = ("tag",)
    template_fields: Sequence[str] = (*LakeFSSensor.template_fields, *condition_arguments)

    def __init__(self, *, tag: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.tag = tag
