"""How often each part has died since the stack was started, and when last."""

from __future__ import annotations

import json
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Deaths:
    """The deaths of a stack's parts, in a file that `down` removes."""

    file: Path

    def add(self, part: str) -> None:
        """Count a death, unless the disk is full: who counts has something to start again."""
        counts = self.read()
        number, _ = counts.get(part, (0, 0.0))
        temporary = self.file.with_suffix(".tmp")
        with suppress(OSError):
            temporary.write_text(json.dumps(counts | {part: (number + 1, time.time())}))
            temporary.replace(self.file)

    def read(self) -> dict[str, tuple[int, float]]:
        """Return the number of deaths and the time of the last by part; no part that has not died."""
        try:
            return {part: (int(number), float(last)) for part, (number, last) in self._stored().items()}
        except (ValueError, TypeError, AttributeError):
            return {}

    def _stored(self) -> dict[str, tuple[int, float]]:
        try:
            return dict(json.loads(self.file.read_text()))
        except FileNotFoundError:
            return {}
