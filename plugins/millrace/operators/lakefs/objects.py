"""Operators for objects of the lake."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import closing, suppress
from pathlib import Path
from typing import Any, BinaryIO

from airflow.sdk import Context

from include.exceptions import MillraceError, Misconfigured, Transient
from include.lake.client import Lake
from include.lake.types import LakeObject
from millrace.operators.lakefs.base import LakeFSOperator
from millrace.run import identity, step
from millrace.ui.links import CommitLink, ObjectLink


class LakeFSUploadOperator(LakeFSOperator):
    """Uploads a file of the worker to a branch, to be committed later; returns `{path, size, checksum}`.

    The file is sent as it is read, whatever its size, and what the lake stored is held against it.

    :param path: where it lies in the lake.
    :param file: the file on the worker.
    """

    template_fields: Sequence[str] = (*LakeFSOperator.template_fields, "branch", "path", "file")
    operator_extra_links = (ObjectLink(),)

    def __init__(self, *, branch: str, path: str, file: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.branch = branch
        self.path = path
        self.file = file

    def execute(self, context: Context) -> dict[str, Any]:
        file = Path(self.file)
        if not file.is_file():
            raise Misconfigured(f"file {self.file!r} is not on this worker; upload runs where the file is")
        return _told(self.lake().upload(self.branch, self.path, file))


class LakeFSUploadStreamOperator(LakeFSOperator):
    """Uploads what a function opens to a branch, to be committed later; returns `{path, size, checksum}`.

    Nothing is kept on the worker: the stream (a response's body, a pipe, an unpacked archive) is sent as it
    is read.

    :param path: where it lies in the lake.
    :param open_stream: takes the task's context and returns a readable, closable stream of bytes.
    """

    template_fields: Sequence[str] = (*LakeFSOperator.template_fields, "branch", "path")
    operator_extra_links = (ObjectLink(),)

    def __init__(
        self, *, branch: str, path: str, open_stream: Callable[[Context], BinaryIO], **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.branch = branch
        self.path = path
        self.open_stream = open_stream

    def execute(self, context: Context) -> dict[str, Any]:
        with closing(self.open_stream(context)) as stream:
            return _told(self.lake().upload(self.branch, self.path, stream))


class LakeFSDownloadOperator(LakeFSOperator):
    """Downloads an object to a file of the worker, whole or not at all.

    Returns `{file, path, size, checksum}`.

    :param ref: a branch, tag, commit or expression.
    :param path: where the object lies in the lake.
    :param file: the file on the worker; its folder is made.
    """

    template_fields: Sequence[str] = (*LakeFSOperator.template_fields, "ref", "path", "file")
    operator_extra_links = (ObjectLink(),)

    def __init__(self, *, ref: str, path: str, file: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.ref = ref
        self.path = path
        self.file = file

    def execute(self, context: Context) -> dict[str, Any]:
        file = Path(self.file)
        file.parent.mkdir(parents=True, exist_ok=True)
        return {"file": self.file, **_told(self.lake().download_to(self.ref, self.path, file))}


class LakeFSCopyObjectOperator(LakeFSOperator):
    """Copies an object to a branch without moving its content; returns `{path, size, checksum}`.

    :param path: where the copy lies.
    :param source_path: the object that is copied.
    :param source_ref: the ref that it is taken from; none: the branch itself.
    """

    template_fields: Sequence[str] = (
        *LakeFSOperator.template_fields, "branch", "path", "source_path", "source_ref"
    )  # fmt: skip
    operator_extra_links = (ObjectLink(),)

    def __init__(
        self, *, branch: str, path: str, source_path: str, source_ref: str | None = None, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.branch = branch
        self.path = path
        self.source_path = source_path
        self.source_ref = source_ref

    def execute(self, context: Context) -> dict[str, Any]:
        return _told(self.lake().copy(self.branch, self.path, self.source_path, self.source_ref))


class LakeFSDeleteObjectsOperator(LakeFSOperator):
    """Deletes objects from a branch, to be committed later; returns `{deleted}`; fine for absent ones.

    :param paths: the objects' paths; an empty list deletes nothing.
    :param prefix: or all objects below it; never empty, which would mean every object.
    """

    template_fields: Sequence[str] = (*LakeFSOperator.template_fields, "branch", "paths", "prefix")

    def __init__(
        self, *, branch: str, paths: Sequence[str] | None = None, prefix: str | None = None, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        if (paths is None) == (prefix is None):
            raise ValueError("give either paths or prefix: the objects to delete")
        self.branch = branch
        self.paths = paths
        self.prefix = prefix

    def execute(self, context: Context) -> dict[str, int]:
        lake = self.lake()
        return {"deleted": lake.delete_many(self.branch, self._wanted(lake))}

    def _wanted(self, lake: Lake) -> Iterable[str]:
        """What to delete, of what templates have become: nothing given must never mean everything."""
        if isinstance(self.paths, str):
            raise Misconfigured(
                f"paths is the text {self.paths!r}; give a list, such as another task's output, or set "
                "render_template_as_native_obj on the DAG"
            )
        if self.paths is not None:
            return self.paths
        if not self.prefix:
            raise Misconfigured(f"prefix is empty and would delete all of {self.branch!r}; give one")
        return (found.path for found in lake.list(self.branch, self.prefix))


class LakeFSGetObjectOperator(LakeFSOperator):
    """Looks up an object; returns `{path, size, checksum}`: content never goes through Airflow's database.

    Raises Absent if there is none: to wait for it, take `LakeFSObjectSensor`.
    """

    template_fields: Sequence[str] = (*LakeFSOperator.template_fields, "ref", "path")
    operator_extra_links = (ObjectLink(),)

    def __init__(self, *, ref: str, path: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.ref = ref
        self.path = path

    def execute(self, context: Context) -> dict[str, Any]:
        return _told(self.lake().stat(self.ref, self.path))


class LakeFSImportOperator(LakeFSOperator):
    """Takes objects of the lake's own storage into a branch as they lie there; returns `{commit, changed}`.

    Needs a lakeFS server that may import: the embedded one has no storage to import from. The import goes to
    a branch of its own (`import-<hash>`), which is merged as one commit and deleted; a second try finds that
    commit by the run's identity on it, and an import that a killed try left running comes to nothing.

    :param sources: storage URI (ending in `/`: all below it) to path in the lake; it replaces all objects
        whose paths begin with that path.
    :param poll_interval: seconds between two looks at how far it is.
    """

    template_fields: Sequence[str] = (
        *LakeFSOperator.template_fields, "branch", "sources", "message", "metadata"
    )  # fmt: skip
    operator_extra_links = (CommitLink(),)

    def __init__(
        self,
        *,
        branch: str,
        sources: Mapping[str, str],
        message: str = "import",
        metadata: dict[str, str] | None = None,
        poll_interval: float = 2.0,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.branch = branch
        self.sources = sources
        self.message = message
        self.metadata = metadata or {}
        self.poll_interval = poll_interval
        self._running: tuple[str, str] | None = None

    def execute(self, context: Context) -> dict[str, Any]:
        from include.lake.object_import import import_objects

        return import_objects(
            self.lake(),
            self.branch,
            self.sources,
            run=identity(context),
            step=step(context),
            message=self.message,
            metadata=self.metadata,
            wait=self._wait,
        ).to_json()

    def _wait(self, branch: str, number: str) -> None:
        lake, self._running = self.lake(), (branch, number)
        while not (state := lake.import_state(branch, number)).completed:
            if state.error:
                raise Transient(f"import of {list(self.sources)} into {self.branch!r} failed: {state.error}")
            self.log.info("%s objects so far", state.objects)
            time.sleep(self.poll_interval)
        self._running = None

    def on_kill(self) -> None:
        if self._running:
            with suppress(MillraceError):
                self.lake().cancel_import(*self._running)
                self.lake().delete_branch(self._running[0])


def _told(found: LakeObject) -> dict[str, Any]:
    return {"path": found.path, "size": found.size, "checksum": found.checksum}
