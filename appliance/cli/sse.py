"""Server-sent events, read (HTML standard, 9.2.6)."""

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Message:
    """One event. ``event`` is ``message`` where the server names none."""

    event: str
    data: str

    def json(self) -> dict[str, Any]:
        """The data as the JSON object that the appliance always sends."""
        value: dict[str, Any] = json.loads(self.data)
        return value


def lines(chunks: Iterable[bytes]) -> Iterator[str]:
    """Lines without their ends. Only line feeds end one: JSON may hold Unicode's separators."""
    rest = b""
    for chunk in chunks:
        *whole, rest = (rest + chunk).split(b"\n")
        yield from (line.removesuffix(b"\r").decode() for line in whole)


def parse(lines: Iterable[str]) -> Iterator[Message]:
    """Messages from ``lines`` without their ends; comments (heartbeats) are passed over."""
    fields: dict[str, str] = {}
    data: list[str] = []
    for line in lines:
        name, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if name == "data":
            data.append(value)
        elif name:
            fields[name] = value
        elif not line:
            if data:
                yield Message(fields.get("event", "message"), "\n".join(data))
            fields, data = {}, []
