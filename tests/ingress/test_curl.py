"""curl goes through the door: uploads of unknown length, resumed downloads, a GiB each way."""

import hashlib
import re
from pathlib import Path

import anyio
import pytest

from tests.ingress.doorlab import DOMAIN, Lab, Talk

pytestmark = pytest.mark.anyio

MIB = 1024 * 1024
CHUNK = bytes(range(256)) * 4096


async def curl(lab: Lab, *arguments: str, stdin: bytes = b"") -> str:
    resolve = f"dep-a.{DOMAIN}:{lab.port}:127.0.0.1"
    command = ["curl", "-sS", "--fail-with-body", "--resolve", resolve, *arguments]
    done = await anyio.run_process([*command, f"http://dep-a.{DOMAIN}:{lab.port}/"], input=stdin)
    return done.stdout.decode()


async def digest_of_chunks(talk: Talk) -> None:
    """Reads a chunked body by its own rules, and answers with its digest."""
    await talk.head()
    got = hashlib.sha256()
    while size := int((await talk.reader.readline()).split(b";")[0], 16):
        got.update((await talk.reader.readexactly(size + 2))[:-2])
    await talk.reader.readline()
    await say(talk, "200 OK", got.hexdigest().encode())


async def say(talk: Talk, status: str, body: bytes, *fields: str) -> None:
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *fields, "", ""]
    await talk.say("\r\n".join(lines).encode() + body)


async def test_an_upload_of_unknown_length(lab: Lab) -> None:
    await lab.deploy("a", digest_of_chunks)
    body = CHUNK * 5 + b"end"
    told = await curl(lab, "-T", "-", stdin=body)
    assert told == hashlib.sha256(body).hexdigest()
    assert lab.backends[0].names()[b"transfer-encoding"] == b"chunked"


async def test_a_download_resumed_where_it_broke_off(lab: Lab, tmp_path: Path) -> None:
    body = CHUNK * 8
    cuts = [len(body) // 3, len(body)]

    async def serve(talk: Talk) -> None:
        head = await talk.head()
        found = re.search(rb"Range: bytes=(\d+)-", head)
        start = int(found[1]) if found else 0
        status = "206 Partial Content" if found else "200 OK"
        lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body) - start}",
                 f"Content-Range: bytes {start}-{len(body) - 1}/{len(body)}", "", ""]  # fmt: skip
        await talk.say("\r\n".join(lines).encode() + body[start : cuts.pop(0)])

    await lab.deploy("a", serve)
    file = tmp_path / "file"
    assert await broken_off(lab, file)
    assert 0 < file.stat().st_size < len(body)
    await curl(lab, "-C", "-", "-o", str(file))
    assert file.read_bytes() == body


async def broken_off(lab: Lab, file: Path) -> bool:
    resolve = f"dep-a.{DOMAIN}:{lab.port}:127.0.0.1"
    url = f"http://dep-a.{DOMAIN}:{lab.port}/"
    command = ["curl", "-sS", "--resolve", resolve, "-o", str(file), url]
    partial = 18  # curl(1), exit codes: only a part of the file was transferred
    return (await anyio.run_process(command, check=False)).returncode == partial


@pytest.mark.slow
async def test_a_gibibyte_down_and_up_is_the_same_by_checksum(lab: Lab, tmp_path: Path) -> None:
    count = 1024
    expected = hashlib.sha256(CHUNK * count).hexdigest()

    async def pour(talk: Talk) -> None:
        head = await talk.head()
        if head.startswith(b"GET "):
            await talk.say(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % (len(CHUNK) * count))
            for _ in range(count):
                await talk.say(CHUNK)
            return
        got, left = hashlib.sha256(), len(CHUNK) * count
        if b"100-continue" in head.lower():
            await talk.say(b"HTTP/1.1 100 Continue\r\n\r\n")
        while left:
            data = await talk.reader.read(MIB)
            got.update(data)
            left -= len(data)
        await say(talk, "200 OK", got.hexdigest().encode())

    await lab.deploy("a", pour)
    file = tmp_path / "file"
    await curl(lab, "-o", str(file))
    with file.open("rb") as opened:
        assert hashlib.file_digest(opened, "sha256").hexdigest() == expected
    assert await curl(lab, "-T", str(file)) == expected
