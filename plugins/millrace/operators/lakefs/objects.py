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
from millrace.run import identity, task_step
from millrace.ui.links import CommitLink, ObjectLink


class LakeFSUploadOperator(LakeFSOperator):
    """Upload a file of the worker to a branch, uncommitted; returns `{path, size, checksum}`.

    The file is streamed, whatever its size, and compared with what the lake reports it stored.

    :param path: the object's path in the lake.
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
            raise Misconfigured(
                f"file {self.file!r} is not on this worker; run the task on the worker that has the file"
            )
        return _to_json(self.lake().upload(self.branch, self.path, file))


class LakeFSUploadStreamOperator(LakeFSOperator):
    """Upload the stream that a function opens to a branch, uncommitted; returns `{path, size, checksum}`.

    The worker stores nothing: a response's body, a pipe or an unpacked archive is sent while it is read.

    :param path: the object's path in the lake.
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
            return _to_json(self.lake().upload(self.branch, self.path, stream))


class LakeFSDownloadOperator(LakeFSOperator):
    """Download an object to a file of the worker, which appears complete or not at all.

    Returns `{file, path, size, checksum}`.

    :param ref: a branch, tag, commit or expression.
    :param path: the object's path in the lake.
    :param file: the file on the worker; its folder is created.
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
        return {"file": self.file, **_to_json(self.lake().download_to(self.ref, self.path, file))}


class LakeFSCopyObjectOperator(LakeFSOperator):
    """Copy an object to a branch without moving its content; returns `{path, size, checksum}`.

    :param path: the path of the copy.
    :param source_path: the path of the object to copy.
    :param source_ref: the ref of the object to copy; default: the branch.
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
        return _to_json(self.lake().copy(self.branch, self.path, self.source_path, self.source_ref))


class LakeFSDeleteObjectsOperator(LakeFSOperator):
    """Delete objects from a branch, uncommitted; returns `{deleted}`, which counts missing objects, too.

    :param paths: the objects' paths; an empty list deletes nothing.
    :param prefix: instead of `paths`, delete all objects below this prefix; not empty, which would mean
        every object.
    """

    template_fields: Sequence[str] = (*LakeFSOperator.template_fields, "branch", "paths", "prefix")

    def __init__(
        self, *, branch: str, paths: Sequence[str] | None = None, prefix: str | None = None, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        if (paths is None) == (prefix is None):
            raise ValueError("set either paths or prefix: the objects to delete")
        self.branch = branch
        self.paths = paths
        self.prefix = prefix

    def execute(self, context: Context) -> dict[str, int]:
        lake = self.lake()
        return {"deleted": lake.delete_objects(self.branch, self._paths_to_delete(lake))}

    def _paths_to_delete(self, lake: Lake) -> Iterable[str]:
        """Return the rendered paths; raises Misconfigured if an empty template would mean everything."""
        if isinstance(self.paths, str):
            raise Misconfigured(
                f"paths is the text {self.paths!r}; pass a list, such as another task's output, or set "
                "render_template_as_native_obj on the DAG"
            )
        if self.paths is not None:
            return self.paths
        if not self.prefix:
            raise Misconfigured(f"prefix is empty and would delete all of {self.branch!r}; set a prefix")
        return (item.path for item in lake.list_objects(self.branch, self.prefix))


class LakeFSGetObjectOperator(LakeFSOperator):
    """Look up an object; returns `{path, size, checksum}`, not its content.

    Raises Absent if there is no such object. To wait for an object, use `LakeFSObjectSensor`.
    """

    template_fields: Sequence[str] = (*LakeFSOperator.template_fields, "ref", "path")
    operator_extra_links = (ObjectLink(),)

    def __init__(self, *, ref: str, path: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.ref = ref
        self.path = path

    def execute(self, context: Context) -> dict[str, Any]:
        return _to_json(self.lake().stat(self.ref, self.path))


class LakeFSImportOperator(LakeFSOperator):
    """Import objects of the lake's own storage into a branch without a copy; returns `{commit, changed}`.

    Needs a lakeFS server that allows imports; the embedded lake has no storage to import from. The import
    goes to a branch of its own (`import-<hash>`), which is merged as one commit and deleted. A retry finds
    that commit by the run's identity in its metadata. An import that a killed try left running has no effect.

    :param sources: storage URI to path in the lake. A URI that ends in `/` stands for all objects below it.
        Every object whose path begins with that path is replaced.
    :param poll_interval: seconds between two requests for the import's status.
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
            step=task_step(context),
            message=self.message,
            metadata=self.metadata,
            wait=self._wait,
        ).to_json()

    def _wait(self, branch: str, import_id: str) -> None:
        lake, self._running = self.lake(), (branch, import_id)
        while not (status := lake.import_status(branch, import_id)).completed:
            if status.error:
                raise Transient(f"import of {list(self.sources)} into {self.branch!r} failed: {status.error}")
            self.log.info("%s objects so far", status.ingested_objects)
            time.sleep(self.poll_interval)
        self._running = None

    def on_kill(self) -> None:
        if self._running:
            with suppress(MillraceError):
                self.lake().cancel_import(*self._running)
                self.lake().delete_branch(self._running[0])


def _to_json(item: LakeObject) -> dict[str, Any]:
    return {"path": item.path, "size": item.size, "checksum": item.checksum}
