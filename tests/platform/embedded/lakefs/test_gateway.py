"""A client of S3 is answered in its own language."""

from __future__ import annotations

import boto3
import pytest
import urllib3
from botocore.config import Config
from botocore.exceptions import ClientError

from tests.support.lake import ACCESS_KEY, SECRET_KEY, LakeServer

MESSAGE = "no S3 gateway; use the API, lakefs-spec, or a lakeFS server"


@pytest.mark.parametrize("version", ["s3v4", "s3"])
def test_a_client_of_s3_shows_what_to_use(lake_server: LakeServer, version: str) -> None:
    client = boto3.client(
        "s3",
        endpoint_url=lake_server.connection.endpoint,
        aws_access_key_id=ACCESS_KEY,
        aws_secret_access_key=SECRET_KEY,
        region_name="us-east-1",
        config=Config(signature_version=version, retries={"total_max_attempts": 1}),
    )
    for call in (client.list_buckets, lambda: client.put_object(Bucket="flights", Key="main/a", Body=b"x")):
        with pytest.raises(ClientError) as caught:
            call()
        assert caught.value.response["Error"]["Code"] == "NotImplemented"
        assert caught.value.response["Error"]["Message"] == MESSAGE
        assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 501


def test_a_signed_address_is_answered_too(lake_server: LakeServer) -> None:
    url = f"{lake_server.connection.endpoint}/api/v1/repositories?X-Amz-Signature=1&a=%3C"
    answer = urllib3.request("GET", url)
    assert (answer.status, answer.headers["Content-Type"]) == (501, "application/xml")
    assert b"<Code>NotImplemented</Code>" in answer.data
