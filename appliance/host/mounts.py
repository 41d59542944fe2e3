"""Which mount a path lies on, from /proc/self/mountinfo (proc(5))."""

import re
from dataclasses import dataclass
from pathlib import Path

OCTAL = re.compile(r"\\([0-7]{3})")


@dataclass(frozen=True, slots=True)
class Mount:
    """One line: ``device`` is ``major:minor``, ``source`` what was mounted, such as /dev/sda1."""

    device: str
    point: Path
    source: str


def parse_mountinfo(text: str) -> tuple[Mount, ...]:
    """Every mount, in the order they were made."""
    return tuple(_mount(line) for line in text.splitlines() if " - " in line)


def mount_of(path: Path, mounts: tuple[Mount, ...]) -> Mount | None:
    """The mount an absolute ``path`` without links lies on: the deepest, and of those the last."""
    above = [m for m in mounts if path.is_relative_to(m.point)]
    return max(reversed(above), key=lambda m: len(m.point.parts), default=None)


def _mount(line: str) -> Mount:
    before, _, after = line.partition(" - ")
    fields, tail = before.split(" "), after.split(" ")
    return Mount(fields[2], Path(_unescape(fields[4])), _unescape(tail[1]))


def _unescape(text: str) -> str:
    """Blanks and backslashes are written as three octal digits."""
    return OCTAL.sub(lambda match: chr(int(match[1], 8)), text)
