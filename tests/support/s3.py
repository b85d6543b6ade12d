"""An S3 store on loopback that enforces the permissions of its keys and of a role."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import urllib3

from include.settings import ROOT
from tests.support import lifeline
from tests.support.lake import free_port
from tests.support.services import end, wait_until_it_answers

REGION = "eu-central-1"
_ANY_KEYS = {"aws_access_key_id": "AKIASETUP", "aws_secret_access_key": "any", "region_name": REGION}


@dataclass(frozen=True)
class Store:
    """A running store with one bucket; the keys and the role have the same permissions."""

    url: str
    bucket: str
    access_key_id: str
    secret_access_key: str
    role: str

    def read(self) -> dict[str, str]:
        """Return every object of the bucket as text, by name."""
        keys = {
            "aws_access_key_id": self.access_key_id,
            "aws_secret_access_key": self.secret_access_key,
            "region_name": REGION,
        }
        bucket = boto3.resource("s3", endpoint_url=self.url, **keys).Bucket(self.bucket)
        return {one.key: one.get()["Body"].read().decode() for one in bucket.objects.all()}


@contextmanager
def run_s3(folder: Path, bucket: str, of_bucket: list[str], of_objects: list[str]) -> Iterator[Store]:
    """Yield a store that allows these actions on the bucket and on its objects; it is stopped at the end."""
    url = f"http://127.0.0.1:{free_port()}"
    with (folder / "s3.log").open("wb") as log:
        server = _start(url, log)
        try:
            wait_until_it_answers(url)
            store = _fill(url, bucket, _policy(bucket, of_bucket, of_objects))
            _require_authentication(url)
            yield store
        finally:
            end(server)


def _start(url: str, log: Any) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "tests.support.s3", url.rsplit(":", 1)[1]]
    return lifeline.start(command, stdout=log, stderr=log, cwd=ROOT)


def _fill(url: str, bucket: str, policy: str) -> Store:
    def client(service: str) -> Any:
        return boto3.client(service, endpoint_url=url, **_ANY_KEYS)

    client("s3").create_bucket(Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": REGION})
    iam = client("iam")
    iam.create_user(UserName="airflow")
    iam.put_user_policy(UserName="airflow", PolicyName="logs", PolicyDocument=policy)
    role = iam.create_role(RoleName="airflow", AssumeRolePolicyDocument="{}")["Role"]["Arn"]
    iam.put_role_policy(RoleName="airflow", PolicyName="logs", PolicyDocument=policy)
    keys = iam.create_access_key(UserName="airflow")["AccessKey"]
    return Store(url, bucket, keys["AccessKeyId"], keys["SecretAccessKey"], role)


def _policy(bucket: str, of_bucket: list[str], of_objects: list[str]) -> str:
    arn = f"arn:aws:s3:::{bucket}"
    allowed = ((of_bucket, arn), (of_objects, f"{arn}/*"))
    statements = [{"Effect": "Allow", "Action": what, "Resource": where} for what, where in allowed]
    return json.dumps({"Version": "2012-10-17", "Statement": statements})


def _require_authentication(url: str) -> None:
    """Let the store check permissions from now on."""
    answer = urllib3.request("POST", f"{url}/moto-api/reset-auth", body="0")
    assert answer.status == 200, answer.data


def _serve(port: str) -> None:
    from moto.server import main
    from moto.sts.responses import TokenResponse

    # A pod exchanges its token for a role's keys by an unsigned call, but moto 5.2 requires signatures.
    setattr(TokenResponse, "_authenticate_and_authorize_normal_action", lambda *_, **__: None)  # noqa: B010 - mypy: a method
    main(["--port", port])


if __name__ == "__main__":
    _serve(sys.argv[1])
