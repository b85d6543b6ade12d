"""Sensors of the lake: they wait for what is absent and retry what is transient."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NoReturn

from airflow.sdk import BaseSensorOperator, Context, PokeReturnValue
from airflow.sdk.configuration import conf

from include import exceptions
from include.lake.conditions import check
from millrace.hooks.lakefs import LakeFSHook
from millrace.operators.lakefs.base import LakeFSMixin

WAITING = {"mode": "reschedule", "poke_interval": 60.0, "timeout": 12 * 3600.0}
"""How a sensor waits unless told otherwise: a look a minute, half a day, no worker slot in between."""


class LakeFSSensor(LakeFSMixin, BaseSensorOperator):
    """Base of the sensors of one repository: they wait for what is absent.

    What is transient is left to the task's retries, or waited out in the triggerer if `deferrable`; what
    is misconfigured fails at once.

    :param repository: the repository's name; none: the connection's default one.
    :param lakefs_conn_id: the Airflow connection of the lake.
    :param deferrable: wait in the triggerer.
    """

    template_fields: Sequence[str] = ("repository", "lakefs_conn_id")
    wanted: str
    arguments: Sequence[str]
    """The name of the look (`include.lake.conditions`), and its arguments: attributes of the sensor."""

    def __init__(
        self,
        *,
        repository: str | None = None,
        lakefs_conn_id: str = LakeFSHook.default_conn_name,
        deferrable: bool = conf.getboolean("operators", "default_deferrable", fallback=False),
        **kwargs: Any,
    ) -> None:
        super().__init__(**{**WAITING, **kwargs})
        self.repository = repository
        self.lakefs_conn_id = lakefs_conn_id
        self.deferrable = deferrable

    def poke(self, context: Context) -> bool | PokeReturnValue:
        found = check(self.lake(), self.wanted, **self._arguments)
        return PokeReturnValue(found is not None, found)

    def execute(self, context: Context) -> Any:
        if not self.deferrable:
            return super().execute(context)
        if (found := check(self.lake(), self.wanted, **self._arguments)) is None:
            self._defer()
        return found

    def _defer(self) -> NoReturn:
        from millrace.triggers.lakefs import LakeFSTrigger

        trigger = LakeFSTrigger(
            wanted=self.wanted,
            arguments=self._arguments,
            repository=self.repository,
            lakefs_conn_id=self.lakefs_conn_id,
            poll_interval=self.poke_interval,
        )
        self.defer(trigger=trigger, method_name="execute_complete", timeout=self.timeout)

    def execute_complete(self, context: Context, event: dict[str, Any]) -> dict[str, Any]:
        """Take what the trigger found, or raise what it met."""
        if "fault" in event:
            raise getattr(exceptions, event["fault"])(event["message"])
        found: dict[str, Any] = event["found"]
        return found

    @property
    def _arguments(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in self.arguments}


class LakeFSCommitSensor(LakeFSSensor):
    """Waits until a ref stands for a commit other than a known one; returns `{ref, commit}`.

    :param ref: a branch, tag or expression; it may not exist yet.
    :param known: the commit that does not count; empty: any commit does.
    """

    wanted = "commit_changed"
    arguments = ("ref", "known")
    template_fields: Sequence[str] = (*LakeFSSensor.template_fields, *arguments)

    def __init__(self, *, ref: str, known: str = "", **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.ref = ref
        self.known = known


class LakeFSObjectSensor(LakeFSSensor):
    """Waits until there is an object; returns `{ref, path, size, checksum}`.

    :param ref: a branch (what is not committed counts), tag, commit or expression; it may not exist yet.
    :param path: where the object lies in the lake.
    """

    wanted = "object_exists"
    arguments = ("ref", "path")
    template_fields: Sequence[str] = (*LakeFSSensor.template_fields, *arguments)

    def __init__(self, *, ref: str, path: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.ref = ref
        self.path = path


class LakeFSPrefixSensor(LakeFSSensor):
    """Waits until there are objects below a prefix; returns `{ref, prefix, path}` with the first one's path.

    :param ref: a branch (what is not committed counts), tag, commit or expression; it may not exist yet.
    :param prefix: where the objects lie in the lake.
    :param at_least: how many there have to be.
    """

    wanted = "prefix_has_objects"
    arguments = ("ref", "prefix", "at_least")
    template_fields: Sequence[str] = (*LakeFSSensor.template_fields, "ref", "prefix")

    def __init__(self, *, ref: str, prefix: str, at_least: int = 1, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if at_least < 1:
            raise ValueError(
                f"at_least is {at_least!r}: an empty prefix needs no waiting for; give 1 or more"
            )
        self.ref = ref
        self.prefix = prefix
        self.at_least = at_least


class LakeFSTagSensor(LakeFSSensor):
    """Waits until there is a tag; returns `{tag, commit}`.

    :param tag: the tag's name.
    """

    wanted = "tag_exists"
    arguments = ("tag",)
    template_fields: Sequence[str] = (*LakeFSSensor.template_fields, *arguments)

    def __init__(self, *, tag: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.tag = tag
