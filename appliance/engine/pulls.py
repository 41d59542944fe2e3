"""One download an image, shared by all who wait for it, cancelled when nobody does any more."""

from collections import Counter
from dataclasses import dataclass, field

import anyio
from anyio.abc import TaskGroup

from appliance.clock import Clock
from appliance.domain.errors import (
    ImageFailure,
    RuntimeFailure,
    RuntimeTimeout,
    RuntimeUnavailable,
)
from appliance.runtime.port import ContainerRuntime, PullProgress

PULLS_AT_ONCE = 2
UNANSWERED = (RuntimeTimeout, RuntimeUnavailable)
MAX_UNANSWERED = 6
"""Podman may go away in the middle of a pull. After so many times in a row it is the pull."""


@dataclass(slots=True)
class _Download:
    scope: anyio.CancelScope = field(default_factory=anyio.CancelScope)
    done: anyio.Event = field(default_factory=anyio.Event)
    waiting: int = 0
    progress: PullProgress | None = None
    failure: RuntimeFailure | None = None


class Pulls:
    """Fetches images in a task group of the supervisor's."""

    def __init__(self, runtime: ContainerRuntime, clock: Clock, tasks: TaskGroup) -> None:
        self._runtime = runtime
        self._clock = clock
        self._tasks = tasks
        self._slots = anyio.Semaphore(PULLS_AT_ONCE)
        self._downloads: dict[str, _Download] = {}
        self._fetched_boot_us: dict[str, int] = {}
        self._left_boot_us: dict[str, int] = {}
        self._unanswered: Counter[str] = Counter()

    def progress(self, reference: str) -> PullProgress | None:
        """How far the download of ``reference`` is, None if there is none or nothing is known."""
        download = self._downloads.get(reference)
        return download.progress if download else None

    def fetched_boot_us(self, reference: str) -> int | None:
        """When the last download of ``reference`` that succeeded began (boot clock)."""
        return self._fetched_boot_us.get(reference)

    def fetching_boot_us(self, reference: str) -> int | None:
        """When a download of ``reference`` was last in line or under way (boot clock)."""
        if reference in self._downloads:
            return self._clock.now().boot_us
        return self._left_boot_us.get(reference)

    async def fetch(self, reference: str) -> None:
        """Returns when the image is on this machine.

        Cancelling leaves the others who wait alone; with the last one the download ends.

        Raises:
            RuntimeFailure: as ``ContainerRuntime.pull``.
            ImageFailure: Podman gave no answer ``MAX_UNANSWERED`` times in a row.
        """
        download = self._join(reference)
        try:
            await download.done.wait()
        finally:
            self._leave(reference, download)
        if download.failure is not None:
            raise download.failure

    def _join(self, reference: str) -> _Download:
        download = self._downloads.get(reference)
        if download is None:
            download = self._downloads[reference] = _Download()
            self._tasks.start_soon(self._run, reference, download)
        download.waiting += 1
        return download

    def _leave(self, reference: str, download: _Download) -> None:
        download.waiting -= 1
        if download.waiting == 0:
            download.scope.cancel()
            self._forget(reference, download)

    def _forget(self, reference: str, download: _Download) -> None:
        if self._downloads.get(reference) is download:
            del self._downloads[reference]
            self._left_boot_us[reference] = self._clock.now().boot_us

    async def _run(self, reference: str, download: _Download) -> None:
        def note(progress: PullProgress) -> None:
            download.progress = progress

        with download.scope:
            try:
                async with self._slots:
                    began_boot_us = self._clock.now().boot_us
                    await self._runtime.pull(reference, note)
                    self._fetched_boot_us[reference] = began_boot_us
                    self._unanswered.pop(reference, None)
            except RuntimeFailure as failure:
                download.failure = self._counted(reference, failure)
        self._forget(reference, download)
        download.done.set()

    def _counted(self, reference: str, failure: RuntimeFailure) -> RuntimeFailure:
        if not isinstance(failure, UNANSWERED):
            self._unanswered.pop(reference, None)
            return failure
        self._unanswered[reference] += 1
        if self._unanswered[reference] < MAX_UNANSWERED:
            return failure
        del self._unanswered[reference]
        text = f"{reference} can't be fetched: Podman broke it off {MAX_UNANSWERED} times."
        return ImageFailure("pull_failed", text)
