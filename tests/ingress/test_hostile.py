"""What is refused, and how: each request by its bytes, each with its status, each then cut off."""

import re

import anyio
import pytest

from tests.ingress.doorlab import DOMAIN, Lab, get

pytestmark = pytest.mark.anyio

HOST = f"dep-a.{DOMAIN}".encode()


def request(line: bytes = b"GET / HTTP/1.1", *fields: bytes, body: bytes = b"") -> bytes:
    return b"\r\n".join((line, b"Host: " + HOST, *fields, b"", body))


def post(*fields: bytes, body: bytes = b"") -> bytes:
    return request(b"POST / HTTP/1.1", *fields, body=body)


CHUNKED = b"Transfer-Encoding: chunked"

HOSTILE: dict[str, tuple[int, bytes]] = {
    # Two readings of where the body ends.
    "length and coding": (400, post(b"Content-Length: 5", CHUNKED, body=b"0\r\n\r\n")),
    "coding and length": (400, post(CHUNKED, b"Content-Length: 5", body=b"0\r\n\r\n")),
    "two lengths": (400, post(b"Content-Length: 5", b"Content-Length: 6", body=b"hello")),
    "the same length twice": (400, post(b"Content-Length: 5", b"Content-Length: 5", body=b"hello")),
    "a list of lengths": (400, post(b"Content-Length: 5, 5", body=b"hello")),
    "a signed length": (400, post(b"Content-Length: +5", body=b"hello")),
    "a negative length": (400, post(b"Content-Length: -5", body=b"hello")),
    "a hexadecimal length": (400, post(b"Content-Length: 0x5", body=b"hello")),
    "an empty length": (400, post(b"Content-Length:", body=b"hello")),
    "a length with a space inside": (400, post(b"Content-Length: 1 0", body=b"hello")),
    "a length beyond 64 bits": (400, post(b"Content-Length: 18446744073709551616")),
    "two codings": (400, post(CHUNKED, CHUNKED, body=b"0\r\n\r\n")),
    "gzip, chunked": (501, post(b"Transfer-Encoding: gzip, chunked", body=b"0\r\n\r\n")),
    "chunked, identity": (400, post(b"Transfer-Encoding: chunked, identity", body=b"0\r\n\r\n")),
    "xchunked": (400, post(b"Transfer-Encoding: xchunked", body=b"0\r\n\r\n")),
    "a coding in quotes": (400, post(b'Transfer-Encoding: "chunked"', body=b"0\r\n\r\n")),
    "an unknown coding": (400, post(b"Transfer-Encoding: cow", body=b"0\r\n\r\n")),
    "a coding with a tab": (400, post(b"Transfer-Encoding:\x0bchunked", body=b"0\r\n\r\n")),
    "a coding in HTTP/1.0": (400, request(b"POST / HTTP/1.0", CHUNKED, body=b"0\r\n\r\n")),
    "space before the colon": (400, post(b"Transfer-Encoding : chunked", body=b"0\r\n\r\n")),
    "length with a space before the colon": (400, post(b"Content-Length : 5", body=b"hello")),
    # Chunks.
    "a chunk size that is none": (400, post(CHUNKED, body=b"zz\r\nhello\r\n0\r\n\r\n")),
    "a chunk size with a sign": (400, post(CHUNKED, body=b"+5\r\nhello\r\n0\r\n\r\n")),
    "a chunk size with 0x": (400, post(CHUNKED, body=b"0x5\r\nhello\r\n0\r\n\r\n")),
    "a chunk size with a space before": (400, post(CHUNKED, body=b" 5\r\nhello\r\n0\r\n\r\n")),
    "a chunk size beyond 64 bits": (400, post(CHUNKED, body=b"1" + b"0" * 16 + b"\r\nhello")),
    "a chunk longer than it says": (400, post(CHUNKED, body=b"3\r\nhello\r\n0\r\n\r\n")),
    "a chunk ended by LF": (400, post(CHUNKED, body=b"5\r\nhello\n0\r\n\r\n")),
    "a chunk size ended by LF": (400, post(CHUNKED, body=b"5\nhello\r\n0\r\n\r\n")),
    "a chunk size ended by CR": (400, post(CHUNKED, body=b"5\rhello\r\n0\r\n\r\n")),
    "a bare LF in a chunk extension": (400, post(CHUNKED, body=b"5;a\nb\r\nhello\r\n0\r\n\r\n")),
    "a chunk extension without an end": (400, post(CHUNKED, body=b"5;" + b"a" * 9000)),
    "a trailer that frames": (400, post(CHUNKED, body=b"0\r\nContent-Length: 5\r\n\r\n")),
    "a trailer that names a host": (400, post(CHUNKED, body=b"0\r\nHost: b\r\n\r\n")),
    "a trailer that names a sender": (400, post(CHUNKED, body=b"0\r\nX-Forwarded-For: 1\r\n\r\n")),
    "a trailer that is none": (400, post(CHUNKED, body=b"0\r\nhello\r\n\r\n")),
    "trailers without an end": (400, post(CHUNKED, body=b"0\r\n" + b"a: b\r\n" * 9000)),
    # Lines.
    "bare LF after the request line": (400, b"GET / HTTP/1.1\nHost: " + HOST + b"\r\n\r\n"),
    "bare LF everywhere": (400, b"GET / HTTP/1.1\nHost: " + HOST + b"\n\n"),
    "bare LF after a field": (400, request(b"GET / HTTP/1.1", b"A: b\nC: d")),
    "bare CR in a value": (400, request(b"GET / HTTP/1.1", b"A: b\rC: d")),
    "a folded field": (400, request(b"GET / HTTP/1.1", b"A: b\r\n c")),
    "a field that begins with a space": (400, request(b"GET / HTTP/1.1", b" A: b")),
    "NUL in a value": (400, request(b"GET / HTTP/1.1", b"A: b\0c")),
    "NUL in a name": (400, request(b"GET / HTTP/1.1", b"A\0: b")),
    "a control character in a value": (400, request(b"GET / HTTP/1.1", b"A: b\x01c")),
    "DEL in a value": (400, request(b"GET / HTTP/1.1", b"A: b\x7fc")),
    "a field without a colon": (400, request(b"GET / HTTP/1.1", b"Field")),
    "a field without a name": (400, request(b"GET / HTTP/1.1", b": b")),
    "a name with a space": (400, request(b"GET / HTTP/1.1", b"A B: c")),
    "a name in Latin-1": (400, request(b"GET / HTTP/1.1", b"\xe4: c")),
    "a name in parentheses": (400, request(b"GET / HTTP/1.1", b"(a): c")),
    # Request lines.
    "no version": (400, b"GET /\r\nHost: " + HOST + b"\r\n\r\n"),
    "HTTP/0.9": (505, request(b"GET / HTTP/0.9")),
    "HTTP/2.0": (505, request(b"GET / HTTP/2.0")),
    "HTTP/1.2": (400, request(b"GET / HTTP/1.2")),
    "http in small letters": (400, request(b"GET / http/1.1")),
    "the preface of HTTP/2": (505, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
    "two spaces": (400, request(b"GET  / HTTP/1.1")),
    "a tab for a space": (400, request(b"GET\t/ HTTP/1.1")),
    "a space at the end": (400, request(b"GET / HTTP/1.1 ")),
    "a space before": (400, request(b" GET / HTTP/1.1")),
    "a space in the target": (400, request(b"GET /a b HTTP/1.1")),
    "no target": (400, request(b"GET HTTP/1.1")),
    "NUL in the target": (400, request(b"GET /\0 HTTP/1.1")),
    "Latin-1 in the target": (400, request(b"GET /\xe4 HTTP/1.1")),
    "a fragment": (400, request(b"GET /a#b HTTP/1.1")),
    "a target without a slash": (400, request(b"GET a HTTP/1.1")),
    "a star for GET": (400, request(b"GET * HTTP/1.1")),
    "an unknown method": (501, request(b"FOO / HTTP/1.1")),
    "a method in small letters": (501, request(b"get / HTTP/1.1")),
    "CONNECT": (501, request(b"CONNECT / HTTP/1.1")),
    "CONNECT to a port of this machine": (501, b"CONNECT h:22 HTTP/1.1\r\nHost: h:22\r\n\r\n"),
    "TRACE": (501, request(b"TRACE / HTTP/1.1")),
    # Hosts.
    "no host": (400, b"GET / HTTP/1.1\r\nA: b\r\n\r\n"),
    "no host in HTTP/1.0": (400, b"GET / HTTP/1.0\r\n\r\n"),
    "an empty host": (400, b"GET / HTTP/1.1\r\nHost:\r\n\r\n"),
    "two hosts": (400, request(b"GET / HTTP/1.1", b"Host: " + HOST)),
    "two different hosts": (400, request(b"GET / HTTP/1.1", b"Host: " + DOMAIN.encode())),
    "a host with a user": (400, b"GET / HTTP/1.1\r\nHost: a@" + HOST + b"\r\n\r\n"),
    "a host with a path": (400, b"GET / HTTP/1.1\r\nHost: " + HOST + b"/x\r\n\r\n"),
    "a host with a space": (400, b"GET / HTTP/1.1\r\nHost: a " + HOST + b"\r\n\r\n"),
    "a list of hosts": (400, b"GET / HTTP/1.1\r\nHost: " + HOST + b", b\r\n\r\n"),
    "a port that is none": (400, b"GET / HTTP/1.1\r\nHost: " + HOST + b":x\r\n\r\n"),
    "another host in the target": (400, request(b"GET http://" + DOMAIN.encode() + b"/ HTTP/1.1")),
    "a user in the target": (400, request(b"GET http://a@" + HOST + b"/ HTTP/1.1")),
    "another scheme": (400, request(b"GET ftp://" + HOST + b"/ HTTP/1.1")),
    "a foreign host": (421, b"GET / HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n"),
    "a host ending like ours": (
        421, b"GET / HTTP/1.1\r\nHost: x" + DOMAIN.encode() + b"\r\nConnection: close\r\n\r\n",
    ),
    "a foreign address": (421, b"GET / HTTP/1.1\r\nHost: 10.9.8.7\r\nConnection: close\r\n\r\n"),
    "an unknown name below ours": (
        404, b"GET / HTTP/1.1\r\nHost: x." + DOMAIN.encode() + b"\r\nConnection: close\r\n\r\n",
    ),
    # Sizes and wishes.
    "a target too long": (414, request(b"GET /" + b"a" * 9000 + b" HTTP/1.1")),
    "a field too long": (431, request(b"GET / HTTP/1.1", b"A: " + b"a" * 40_000)),
    "a head without an end": (431, b"GET / HTTP/1.1\r\n" + b"A: b\r\n" * 9000),
    "too many fields": (431, request(b"GET / HTTP/1.1", *[b"A: b"] * 200)),
    "an expectation": (417, post(b"Expect: 200-ok", b"Content-Length: 5")),
    "two expectations": (400, post(b"Expect: 100-continue", b"Expect: 100-continue")),
    "two upgrades": (400, request(b"GET / HTTP/1.1", b"Upgrade: a", b"Upgrade: b")),
    # Other protocols.
    "TLS on the plain port": (400, bytes.fromhex("16030100c8010000c40303") + b"\r\n\0"),
    "SSH": (400, b"SSH-2.0-OpenSSH_9.2\r\n\r\n"),
    "SMTP": (400, b"EHLO box\r\nMAIL FROM:<a@b>\r\n\r\n"),
    "Redis": (400, b"*1\r\n$4\r\nPING\r\n\r\n"),
    "noise": (400, bytes(range(256)) * 2),
}  # fmt: skip


@pytest.mark.parametrize("name", HOSTILE)
async def test_it_is_refused_and_nothing_of_a_second_request_is_taken(lab: Lab, name: str) -> None:
    status, data = HOSTILE[name]
    backend = await lab.deploy("a")
    answer = await lab.talk(data + get(path="/smuggled"))
    assert answer.startswith(b"HTTP/1.1 %d " % status), answer[:200]
    assert len(re.findall(rb"HTTP/1\.1 \d{3} ", answer)) == 1
    assert b"Connection: close\r\n" in answer
    assert not [h for h in backend.heads + lab.api.heads if b"/smuggled" in h]


async def test_the_next_request_with_another_host_is_misdirected(lab: Lab) -> None:
    a, b = await lab.deploy("a"), await lab.deploy("b")
    answer = await lab.talk(get() + get(f"dep-b.{DOMAIN}") + get())
    assert answer.count(b"HTTP/1.1 200 ") == 1
    assert answer.count(b"HTTP/1.1 421 ") == 1
    assert (len(a.heads), len(b.heads)) == (1, 0)


async def test_a_head_a_byte_at_a_time_is_refused_as_soon_as_it_is_wrong(lab: Lab) -> None:
    client = await lab.client()
    await client.send(b"GET / HTTP/1.1\n")
    with anyio.fail_after(2):
        assert (await client.head()).startswith(b"HTTP/1.1 400 ")


async def test_a_target_without_an_end_is_refused_before_it_ends(lab: Lab) -> None:
    assert (await lab.talk(b"GET /" + b"a" * 9000)).startswith(b"HTTP/1.1 414 ")
