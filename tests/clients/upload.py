"""Uploads a file with tuspy in every way it has; one line of JSON for each.

Usage: upload.py ENDPOINT TOKEN FILE
"""

import asyncio
import json
import sys
from urllib.parse import urlparse

from tusclient import client

endpoint, token, path = sys.argv[1:]
tus = client.TusClient(endpoint, headers={"Authorization": f"Bearer {token}"})
metadata = {"filename": "any.tar"}


def told(way, url):
    print(json.dumps({"way": way, "url": urlparse(url).path}), flush=True)


def uploader(**more):
    return tus.uploader(path, metadata=metadata, retries=3, retry_delay=1, **more)


whole = uploader()
whole.upload()
told("whole", whole.url)

chunks = uploader(chunk_size=300_000, upload_checksum=True)
chunks.upload()
told("chunks", chunks.url)

left = uploader(chunk_size=300_000)
left.upload_chunk()
left.upload_chunk()
again = uploader(chunk_size=300_000, url=left.url)
assert again.offset == 600_000, again.offset
again.upload()
told("resumed", again.url)

parts = tus.async_uploader(path, metadata=metadata, chunk_size=300_000)
asyncio.run(parts.upload())
told("asynchronous", parts.url)
