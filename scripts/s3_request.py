"""One signed request to an S3 server, by the standard library alone: to make buckets, and to look behind amplify's back.

Signs as AWS Signature Version 4 says, for path-style addresses; the region is always us-east-1.
"""

from __future__ import annotations

import datetime
import hashlib
import hmac
import http.client
import urllib.parse
import xml.etree.ElementTree as xml
from dataclasses import dataclass

REGION = "us-east-1"
TIMEOUT_SECONDS = 60


@dataclass(frozen=True)
class Store:
    """A bucket on an S3 server, and who may work on it."""

    name: str
    endpoint: str
    """URL of the server, without a path."""
    bucket: str
    access_key: str
    secret_key: str


@dataclass(frozen=True)
class Answer:
    """What the server said."""

    status: int
    headers: dict[str, str]
    """Names in lower case."""
    body: bytes


def request(store: Store, method: str, key: str | None = None, query: dict[str, str] | None = None, body: bytes = b"",
            headers: dict[str, str] | None = None) -> Answer:
    """Sends one request for an object of the bucket, or for the bucket itself where `key` is `None`."""
    url = urllib.parse.urlsplit(store.endpoint)
    path = "/" + store.bucket + ("" if key is None else "/" + urllib.parse.quote(key, safe="/-_.~"))
    query_text = "&".join(f"{quoted(name)}={quoted(value)}" for name, value in sorted((query or {}).items()))
    signed = sign(store, method, url.netloc, path, query_text, body, headers or {})
    connection = http.client.HTTPConnection(url.hostname, url.port, timeout=TIMEOUT_SECONDS)
    try:
        connection.request(method, path + ("?" + query_text if query_text else ""), body, signed)
        answer = connection.getresponse()
        return Answer(answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read())
    finally:
        connection.close()


def objects(store: Store, prefix: str = "") -> dict[str, int]:
    """The keys that begin with `prefix`, and the size of each object in bytes."""
    found: dict[str, int] = {}
    more: dict[str, str] = {}
    while True:
        answer = request(store, "GET", query={"list-type": "2", "prefix": prefix, **more})
        if answer.status != 200:
            raise RuntimeError(f"{store.name} does not list {prefix!r}: {answer.status} {answer.body[:500]!r}")
        page = xml.fromstring(answer.body)
        for element in page.findall("{*}Contents"):
            found[element.findtext("{*}Key")] = int(element.findtext("{*}Size"))
        if page.findtext("{*}IsTruncated") != "true":
            return found
        more = {"continuation-token": page.findtext("{*}NextContinuationToken")}


def sign(store: Store, method: str, host: str, path: str, query: str, body: bytes, headers: dict[str, str]) -> dict[str, str]:
    """The headers of a request, with its signature."""
    now = datetime.datetime.now(datetime.timezone.utc)
    moment, day = now.strftime("%Y%m%dT%H%M%SZ"), now.strftime("%Y%m%d")
    digest = hashlib.sha256(body).hexdigest()
    headers = {**{name.lower(): value for name, value in headers.items()},
               "host": host, "x-amz-date": moment, "x-amz-content-sha256": digest}
    names = ";".join(sorted(headers))
    canonical = "\n".join([method, path, query, *(f"{name}:{headers[name].strip()}" for name in sorted(headers)), "",
                           names, digest])
    scope = f"{day}/{REGION}/s3/aws4_request"
    text = f"AWS4-HMAC-SHA256\n{moment}\n{scope}\n{hashlib.sha256(canonical.encode()).hexdigest()}"
    key = f"AWS4{store.secret_key}".encode()
    for part in (day, REGION, "s3", "aws4_request"):
        key = hmac.digest(key, part.encode(), "sha256")
    signature = hmac.digest(key, text.encode(), "sha256").hex()
    headers["authorization"] = (f"AWS4-HMAC-SHA256 Credential={store.access_key}/{scope}, SignedHeaders={names}, "
                                f"Signature={signature}")
    return headers


def quoted(text: str) -> str:
    return urllib.parse.quote(text, safe="-_.~")
