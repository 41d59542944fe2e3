"""Long answers read as they come: frames cut anywhere, old events told again, lines that end."""

import json
import tempfile
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import anyio
import pytest
from anyio.abc import SocketStream

from appliance.domain.errors import (
    ImageFailure,
    RuntimeFailure,
    RuntimeTimeout,
    RuntimeUnavailable,
    StartRefused,
)
from appliance.runtime.pull import USUAL_DEADLINES
from appliance.runtime.streams import PodmanStreams

pytestmark = pytest.mark.anyio

HEAD = "HTTP/1.1 {} OK\r\nContent-Type: application/json\r\nConnection: close\r\n\r\n"


@asynccontextmanager
async def answering(*answers: Sequence[bytes], status: int = 200) -> AsyncIterator[PodmanStreams]:
    """Streams to a service that gives these answers, one a request, in exactly these pieces.

    Behind the last one it hangs up on whoever asks.
    """
    with tempfile.TemporaryDirectory(prefix="nn", dir="/tmp") as folder:
        path, left = Path(folder) / "s.sock", list(answers)

        async def serve(client: SocketStream) -> None:
            async with client:
                with suppress(anyio.EndOfStream):  # from one who only asks who listens
                    await client.receive()
                    if not left:
                        return
                    await client.send(HEAD.format(status).encode())
                    for piece in left.pop(0):
                        await client.send(piece)
                        await anyio.sleep(0.01)  # so that the pieces arrive as pieces

        listener = await anyio.create_unix_listener(path)
        streams = PodmanStreams(
            f"unix://{path}", prefix="nnx", credentials=None, deadlines=USUAL_DEADLINES
        )
        async with listener, anyio.create_task_group() as group:
            group.start_soon(listener.serve, serve)
            yield streams
            group.cancel_scope.cancel()
        await streams.aclose()


def frame(stream: int, text: bytes) -> bytes:
    return bytes([stream, 0, 0, 0]) + len(text).to_bytes(4, "big") + text


def told(name: str, action: str, time_ns: int) -> bytes:
    event = {"Action": action, "Actor": {"Attributes": {"name": name}}, "timeNano": time_ns}
    return json.dumps(event).encode() + b"\n"


async def test_frames_are_joined_wherever_they_are_cut() -> None:
    whole = frame(1, b"one\n") + frame(2, b"two\n") + frame(1, b"") + frame(1, b"three\n")
    pieces = [whole[i : i + 5] for i in range(0, len(whole), 5)]
    ended = [b'{"Running": false, "ExitCode": 0}']
    async with answering([b'{"Id": "x"}'], pieces, ended) as streams:
        output = [piece async for piece in streams.execute("nnx-dep-a-g1", ("true",))]
    assert b"".join(output) == b"one\ntwo\nthree\n"


async def test_the_code_is_asked_for_until_podman_knows_it() -> None:
    running, ended = [b'{"Running": true, "ExitCode": 0}'], [b'{"Running": false, "ExitCode": 9}']
    async with answering([b'{"Id": "x"}'], [], running, ended) as streams:
        with pytest.raises(StartRefused, match="code 9"):
            await anext(streams.execute("nnx-dep-a-g1", ("true",)))


async def test_of_a_command_that_was_sent_and_not_answered_nobody_can_tell() -> None:
    """The service may yet run it, as late as it likes."""
    async with answering([b'{"Id": "x"}']) as streams:
        with pytest.raises(RuntimeTimeout):
            await anext(streams.execute("nnx-dep-a-g1", ("true",)))


async def test_a_command_that_could_not_be_prepared_was_not_begun() -> None:
    async with answering() as streams:
        with pytest.raises(RuntimeUnavailable):
            await anext(streams.execute("nnx-dep-a-g1", ("true",)))


async def test_events_told_again_and_those_of_others_are_dropped() -> None:
    lines = [
        told("nnx-dep-a-g1", "start", 10),
        told("nnx-dep-a-g1", "start", 10),
        told("nnx-dep-b-g1", "create", 5),
        told("other-dep-a-g1", "start", 20),
        told("nnx-dep-a-g1", "exec_died", 21),
        told("nnx-dep-a-g1", "died", 22),
    ]
    async with answering(lines) as streams:
        heard = [(e.container_name, e.action) async for e in streams.events()]
    assert heard == [("nnx-dep-a-g1", "start"), ("nnx-dep-a-g1", "died")]


async def test_an_event_cut_in_two_is_one() -> None:
    line = told("nnx-dep-a-g1", "start", 10)
    async with answering([line[:20], line[20:]]) as streams:
        assert [event.action async for event in streams.events()] == ["start"]


@pytest.mark.parametrize(
    ("line", "told_as"),
    [
        (b'{"cause":"x","message":"unable to read events","response":500}\n', "unable to read"),
        (b'{"timeNano": 11, "Action": "start", "Actor": {"Attributes": null}}\n', "told no event"),
        (b'{"timeNano": null, "Action": "start", "Actor": {"Attributes": {}}}\n', "told no event"),
        (b'{"timeNano": 1', "broke off"),
        (b"[1]\n", "broke off"),
    ],
)
async def test_a_line_that_is_no_event_ends_the_stream_as_a_failure_of_podmans(
    line: bytes, told_as: str
) -> None:
    async with answering([told("nnx-dep-a-g1", "start", 10), line]) as streams:
        events = streams.events()
        assert (await anext(events)).action == "start"
        with pytest.raises(RuntimeFailure, match=told_as):
            await anext(events)


async def test_a_pull_whose_answer_breaks_off_is_a_failure_of_podmans() -> None:
    async with answering([b'{"status": "Pul']) as streams:
        with pytest.raises(RuntimeUnavailable, match="broke off"):
            await streams.pull("reg.test/x:1", lambda _: None)


async def test_a_service_that_is_not_there_is_unavailable() -> None:
    streams = PodmanStreams(
        "unix:///nonexistent/s.sock", prefix="nnx", credentials=None, deadlines=USUAL_DEADLINES
    )
    with pytest.raises(RuntimeUnavailable):
        await anext(streams.events())
    with pytest.raises(RuntimeUnavailable):
        await streams.stats("nnx-dep-a-g1")
    await streams.aclose()


async def test_a_refused_pull_with_a_status_has_its_code_too() -> None:
    refusal = [b'{"message": "reading manifest 1 in x: manifest unknown"}']
    async with answering(refusal, status=404) as streams:
        with pytest.raises(ImageFailure, match="manifest unknown") as caught:
            await streams.pull("reg.test/x:1", lambda _: None)
    assert caught.value.code == "image_not_found"
