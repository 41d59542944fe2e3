"""Tells every open stream in this process that there is news; what it is they read themselves.

Streams read the event table from where they are, so a slow one loses nothing, holds nothing in
memory and resumes after any interruption; this only saves them from asking when there is nothing.
"""

import anyio


class Broadcast:
    """A bell: ``notify`` rings it for all who wait now."""

    def __init__(self) -> None:
        self._bell = anyio.Event()

    def notify(self) -> None:
        """There is something new to read."""
        self._bell.set()
        self._bell = anyio.Event()

    def next_news(self) -> anyio.Event:
        """The event that the next ``notify`` sets; take it *before* reading, then wait for it."""
        return self._bell
