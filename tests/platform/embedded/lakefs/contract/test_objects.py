"""Objects: uploading, reading completely and in part, properties, copying, deleting."""

from __future__ import annotations

import time
from email.utils import parsedate_to_datetime
from hashlib import md5

import pytest
from urllib3 import encode_multipart_formdata

from tests.support.contract import Answer, Wire
from tests.support.repo import Repo

CONTENT = b"0123456789"
ETAG = f'"{md5(CONTENT).hexdigest()}"'
UPLOAD = "/branches/main/objects"
READ = "/refs/main/objects"


def upload(
    wire: Wire, path: str = "a", content: bytes = CONTENT, headers: dict[str, str] | None = None
) -> Answer:
    kind = {"Content-Type": "application/octet-stream"}
    return wire.post(UPLOAD, content=content, path=path, headers={**kind, **(headers or {})})


@pytest.mark.endpoint("upload_object", "stat_object")
def test_a_raw_body_is_the_object(wire: Wire) -> None:
    answer = upload(wire, "dir/a b.txt", headers={"Content-Type": "text/plain"})
    assert answer.status == 201
    assert answer.body.pop("mtime") == pytest.approx(time.time(), abs=60)
    assert answer.body.pop("physical_address").startswith("local://")
    assert answer.body == {
        "path": "dir/a b.txt",
        "path_type": "object",
        "checksum": md5(CONTENT).hexdigest(),
        "size_bytes": 10,
        "content_type": "text/plain",
        "metadata": {},
    }
    assert wire.get(READ + "/stat", path="dir/a b.txt").body.items() >= answer.body.items()
    assert wire.get(READ, path="dir/a b.txt").body == CONTENT


@pytest.mark.endpoint("upload_object")
def test_a_form_is_an_upload_too(wire: Wire) -> None:
    body, kind = encode_multipart_formdata({"content": ("x.csv", CONTENT, "text/csv")})
    answer = upload(wire, content=body, headers={"Content-Type": kind, "x-lakefs-meta-k": "v"})
    told = [answer.body[key] for key in ("size_bytes", "content_type", "metadata")]
    assert (answer.status, told) == (201, [10, "text/csv", {"k": "v"}])
    assert wire.get(READ, path="a").body == CONTENT


@pytest.mark.endpoint("upload_object", "get_object")
@pytest.mark.parametrize("size", [0, 1, 3_000_001])
def test_objects_of_any_size_come_back(wire: Wire, size: int) -> None:
    content = (b"0123456789abcdef" * (size // 16 + 1))[:size]
    assert upload(wire, content=content).body["size_bytes"] == size
    body, kind = encode_multipart_formdata({"content": ("x", content)})
    assert upload(wire, "form", content=body, headers={"Content-Type": kind}).body["size_bytes"] == size
    assert wire.get(READ, path="a").body == wire.get(READ, path="form").body == content


@pytest.mark.endpoint("upload_object", "list_objects")
def test_metadata_of_the_client_is_kept_apart(wire: Wire) -> None:
    """Without it `lakectl local` takes every file for a changed one."""
    headers = {"X-Lakefs-Internal-Client-Mtime": "1700000000", "x-lakefs-meta-client-mtime": "mine"}
    kept = {"::lakefs::client-mtime": "1700000000", "client-mtime": "mine"}
    assert upload(wire, headers=headers).body["metadata"] == kept
    [row] = wire.get(READ + "/ls").body["results"]
    assert row["metadata"] == kept


@pytest.mark.endpoint("upload_object", "update_object_user_metadata")
def test_metadata_of_the_user_is_kept_and_replaced(wire: Wire) -> None:
    made = upload(wire, headers={"X-Lakefs-Meta-Color": "Red", "x-lakefs-meta-b": "2"})
    assert made.body["metadata"] == {"color": "Red", "b": "2"}
    assert wire.get(READ + "/stat", path="a").body["metadata"] == {"color": "Red", "b": "2"}
    assert wire.get(READ + "/stat", path="a", user_metadata=False).body.get("metadata", {}) == {}
    change = UPLOAD + "/stat/user_metadata"
    assert wire.put(change, {"set": {"x": "y"}}, path="a").status == 204
    assert wire.get(READ + "/stat", path="a").body["metadata"] == {"x": "y"}
    assert wire.put(change, {"set": {"x": "y"}}, path="absent").refused == 404


@pytest.mark.endpoint("upload_object")
def test_an_upload_can_insist_on_being_the_first(wire: Wire) -> None:
    assert upload(wire, headers={"If-None-Match": "*"}).status == 201
    assert upload(wire, content=b"second", headers={"If-None-Match": "*"}).refused == 412
    assert wire.get(READ, path="a").body == CONTENT
    assert upload(wire, content=b"third").status == 201


@pytest.mark.endpoint("upload_object")
@pytest.mark.parametrize("condition", [{"If-None-Match": '"x"'}, {"If-Match": ETAG}])
def test_other_conditions_of_uploads_are_not_implemented(wire: Wire, condition: dict[str, str]) -> None:
    upload(wire)
    assert upload(wire, content=b"second", headers=condition).refused == 501
    assert wire.get(READ, path="a").body == CONTENT


@pytest.mark.endpoint("upload_object")
def test_an_upload_that_makes_no_sense_is_refused(wire: Wire, lakefs: Wire) -> None:
    assert upload(wire, "").refused == 400
    assert wire.post(UPLOAD, content=CONTENT).refused == 400
    assert wire.post("/branches/absent/objects", content=CONTENT, path="a").refused == 404
    absent = lakefs.under("repositories", "absent-one")
    assert absent.post(UPLOAD, content=CONTENT, path="a").refused == 404


@pytest.mark.endpoint("get_object", "head_object")
def test_an_object_is_told_by_its_headers(wire: Wire) -> None:
    upload(wire, headers={"Content-Type": "text/csv"})
    for answer, body in ((wire.get(READ, path="a"), CONTENT), (wire.head(READ, path="a"), b"")):
        assert (answer.status, answer.body) == (200, body)
        told = [answer.headers[name] for name in ("Content-Length", "Content-Type", "ETag")]
        assert told == ["10", "text/csv", ETAG]
        changed = parsedate_to_datetime(answer.headers["Last-Modified"]).timestamp()
        assert changed == pytest.approx(time.time(), abs=60)


@pytest.mark.endpoint("upload_object_preflight")
def test_a_client_may_ask_first_whether_it_may_upload(wire: Wire) -> None:
    assert wire.get(UPLOAD + "/stage_allowed", path="a").status == 204
    assert wire.get(UPLOAD + "/stage_allowed").refused == 400


RANGES = {
    "bytes=0-0": (b"0", "bytes 0-0/10"),
    "bytes=8-": (b"89", "bytes 8-9/10"),
    "bytes=-2": (b"89", "bytes 8-9/10"),
    "bytes=5-99": (b"56789", "bytes 5-9/10"),
    "bytes=-99": (CONTENT, "bytes 0-9/10"),
}


@pytest.mark.endpoint("get_object", "head_object")
@pytest.mark.parametrize("asked", RANGES)
def test_a_part_of_an_object_can_be_read(wire: Wire, asked: str) -> None:
    upload(wire)
    part, told = RANGES[asked]
    answer = wire.get(READ, path="a", headers={"Range": asked})
    assert (answer.status, answer.body, answer.headers["Content-Range"]) == (206, part, told)
    head = wire.head(READ, path="a", headers={"Range": asked})
    assert (head.status, head.headers["Content-Length"]) == (206, str(len(part)))


@pytest.mark.endpoint("get_object")
@pytest.mark.parametrize("asked", ["bytes=10-", "bytes=99-100", "bytes=2-1", "bytes=-0", "bytes=0-1,3-4"])
def test_a_part_that_is_not_there_is_refused(wire: Wire, asked: str) -> None:
    upload(wire)
    assert wire.get(READ, path="a", headers={"Range": asked}).refused == 416
    assert wire.get(READ, path="a", headers={"Range": "chars=0-1"}).refused == 400


@pytest.mark.endpoint("get_object")
def test_an_object_that_is_known_is_not_sent_again(wire: Wire) -> None:
    upload(wire)
    known = wire.get(READ, path="a", headers={"If-None-Match": ETAG})
    assert (known.status, known.body) == (304, b"")
    assert wire.get(READ, path="a", headers={"If-None-Match": '"other"'}).body == CONTENT


@pytest.mark.endpoint("get_object", "head_object", "stat_object")
def test_what_is_not_there_is_not_found(wire: Wire) -> None:
    for below in (READ, READ + "/stat"):
        assert [wire.get(below, path=path).refused for path in ("absent", "")] == [404, 400]
        assert wire.get(below).refused == 400
        assert wire.get(below.replace("main", "absent"), path="a").refused == 404
    head = wire.head(READ, path="absent")
    assert (head.status, head.body) == (404, b"")


@pytest.mark.endpoint("get_underlying_properties")
def test_the_local_store_has_no_storage_class(wire: Wire) -> None:
    upload(wire)
    assert wire.get(READ + "/underlyingProperties", path="a").body.get("storage_class") is None
    assert wire.get(READ + "/underlyingProperties", path="absent").refused == 404


@pytest.mark.endpoint("delete_object")
def test_deleting_is_done_also_when_there_was_nothing(wire: Wire) -> None:
    upload(wire)
    assert [wire.delete(UPLOAD, path="a").status for _ in range(2)] == [204, 204]
    assert wire.get(READ, path="a").refused == 404
    assert [wire.delete(UPLOAD, path="").refused, wire.delete(UPLOAD).refused] == [400, 400]
    assert wire.delete("/branches/absent/objects", path="a").refused == 404


@pytest.mark.endpoint("delete_objects")
def test_many_objects_are_deleted_at_once(wire: Wire, repo: Repo) -> None:
    repo.save(a=b"1", b=b"1", c=b"1")
    answer = wire.post(UPLOAD + "/delete", {"paths": ["a", "absent", "b", "a"]})
    assert (answer.status, answer.body) == (200, {"errors": []})
    assert repo.uncommitted() == {"a": "removed", "b": "removed"}
    assert wire.post(UPLOAD + "/delete", {}).refused == 400


@pytest.mark.endpoint("delete_objects")
def test_a_thousand_objects_are_deleted_at_once_and_no_more(wire: Wire) -> None:
    paths = [str(number) for number in range(1001)]
    assert wire.post(UPLOAD + "/delete", {"paths": paths[:1000]}).status == 200
    assert wire.post(UPLOAD + "/delete", {"paths": paths}).refused == 400


@pytest.mark.endpoint("copy_object")
def test_a_copy_is_an_object_of_its_own(wire: Wire, repo: Repo) -> None:
    made = upload(wire, headers={"Content-Type": "text/csv", "x-lakefs-meta-k": "v"}).body
    repo.commit()
    repo.branch("dev")
    upload(wire, content=b"later")
    sent = {"src_path": "a", "src_ref": "dev"}
    copied = wire.post(UPLOAD + "/copy", sent, dest_path="dir/b")
    same = ("checksum", "size_bytes", "content_type", "metadata")
    assert (copied.status, copied.body["path"]) == (201, "dir/b")
    assert [copied.body[key] for key in same] == [made[key] for key in same]
    assert wire.get(READ, path="dir/b").body == CONTENT
    assert wire.post(UPLOAD + "/copy", {"src_path": "a"}, dest_path="c").body["size_bytes"] == 5


@pytest.mark.endpoint("copy_object")
def test_a_copy_that_makes_no_sense_is_refused(wire: Wire) -> None:
    upload(wire)
    copy = UPLOAD + "/copy"
    assert wire.post(copy, {"src_path": "absent"}, dest_path="b").refused == 404
    assert wire.post(copy, {"src_path": "a", "src_ref": "absent"}, dest_path="b").refused == 404
    assert wire.post(copy, {"src_path": "a"}).refused == 400
    assert wire.post(copy, {"src_path": "a"}, dest_path="").refused == 400
    assert wire.post(copy, {}, dest_path="b").refused == 400
