"""Records that cross a border as JSON: each has one definition, and is parsed where it arrives."""

from __future__ import annotations

from typing import Any, Self

from pydantic import BaseModel, ConfigDict, ValidationError

from include.exceptions import Misconfigured


class Record(BaseModel):
    """A frozen record of finite values. Unknown fields are ignored, so that a sender may add some."""

    model_config = ConfigDict(frozen=True, extra="ignore", allow_inf_nan=False)

    @classmethod
    def parse(cls, value: object, *, source: str, remedy: str = "") -> Self:
        """Return the record that decoded JSON holds.

        Raises Misconfigured with `source`, each field that is missing or wrong, and `remedy`. Values are left
        out of the message: they may be data.
        """
        try:
            return cls.model_validate(value)
        except ValidationError as error:
            faults = "; ".join(
                f"{'.'.join(map(str, fault['loc'])) or 'value'}: {fault['msg'].lower()}"
                for fault in error.errors(include_input=False, include_url=False)
            )
        hint = f"; {remedy}" if remedy else ""
        raise Misconfigured(f"{source} is not a valid {cls.__name__} ({faults}){hint}")

    def to_json(self) -> dict[str, Any]:
        """Return the record as plain JSON values."""
        return self.model_dump(mode="json")
