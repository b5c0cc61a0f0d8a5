"""Writes or reads a fixed family of objects with boto3 at its defaults and compares every byte.

    boto3_objects.py write BUCKET PREFIX [--endpoint URL] [--only NAME ...]    creates the bucket if missing, stores every object
    boto3_objects.py read BUCKET PREFIX [--endpoint URL] [--only NAME ...]     reads every object back, whole and by range

Bodies follow from the key alone, so that reading needs nothing but the key. Prints one line of JSON; exits 1 on the first difference.
"""

import argparse
import hashlib
import io
import json
import os
import sys

import boto3
from boto3.s3.transfer import TransferConfig
from botocore.config import Config

MIB = 1024 * 1024
SIZES = {"empty": 0, "one": 1, "small": 4096, "block": MIB + 1, "multipart": 20 * MIB + 1, "large": 200 * MIB}


def body(name: str, size: int) -> bytes:
    """`size` bytes that follow from `name`."""
    return hashlib.shake_256(name.encode()).digest(size)


def client(endpoint: str):
    retries = {"max_attempts": 8, "mode": "standard"}
    return boto3.client("s3", endpoint_url=endpoint, config=Config(retries=retries))


def write(s3, bucket: str, prefix: str, names) -> None:
    if bucket not in [entry["Name"] for entry in s3.list_buckets()["Buckets"]]:
        s3.create_bucket(Bucket=bucket)
    transfer = TransferConfig(multipart_threshold=8 * MIB, multipart_chunksize=8 * MIB, max_concurrency=4)
    for name in names:
        s3.upload_fileobj(io.BytesIO(body(prefix + name, SIZES[name])), bucket, prefix + name, Config=transfer,
                          ExtraArgs={"Metadata": {"name": name}, "ContentType": "application/x-test"})


def read(s3, bucket: str, prefix: str, names) -> None:
    for name in names:
        size = SIZES[name]
        expected = body(prefix + name, size)
        reply = s3.get_object(Bucket=bucket, Key=prefix + name)
        found = reply["Body"].read()
        if found != expected:
            sys.exit(f"{prefix}{name}: {len(found)} bytes came back that differ from the {size} stored")
        if reply["Metadata"] != {"name": name} or reply["ContentType"] != "application/x-test":
            sys.exit(f"{prefix}{name}: metadata {reply['Metadata']}, type {reply['ContentType']}")
        for first, last in [(0, 0), (size // 2, size // 2 + 70000), (max(size - 5, 0), size - 1)]:
            if first < size and first <= last:
                part = s3.get_object(Bucket=bucket, Key=prefix + name, Range=f"bytes={first}-{last}")["Body"].read()
                if part != expected[first : last + 1]:
                    sys.exit(f"{prefix}{name}: range {first}-{last} differs")
        head = s3.head_object(Bucket=bucket, Key=prefix + name)
        if head["ContentLength"] != size:
            sys.exit(f"{prefix}{name}: HEAD says {head['ContentLength']} bytes, expected {size}")
    listed = {entry["Key"]: entry["Size"] for entry in s3.list_objects_v2(Bucket=bucket, Prefix=prefix).get("Contents", [])}
    missing = [name for name in names if listed.get(prefix + name) != SIZES[name]]
    if missing:
        sys.exit(f"the list of {prefix} does not show {missing} with their sizes: {listed}")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("action", choices=["write", "read"])
    parser.add_argument("bucket")
    parser.add_argument("prefix")
    parser.add_argument("--endpoint", default=os.environ.get("AWS_ENDPOINT_URL"))
    parser.add_argument("--only", nargs="*", default=list(SIZES))
    options = parser.parse_args()
    action = {"write": write, "read": read}[options.action]
    action(client(options.endpoint), options.bucket, options.prefix, options.only)
    print(json.dumps({"action": options.action, "objects": len(options.only)}))


if __name__ == "__main__":
    main()
