"""Whether Podman answers: felt on every round, asked again at once when somebody has doubts."""

import logging

import anyio

from appliance.clock import Clock
from appliance.domain.errors import RuntimeFailure, RuntimeUnavailable

DOUBTS_S = 0.25
"""Doubts are collected for so long: many meet with the same silence at once."""

UNHEARD_US = 60_000_000
"""Longer than two rounds are ever apart: the machine slept meanwhile, or this process did."""

log = logging.getLogger(__name__)


class Pulse:
    """Away until first felt; the reconciler feels it, everybody else reads it."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._reachable = False
        self._version: str | None = None
        self._answering_boot_us: int | None = None
        self._heard_boot_us = 0
        self._felt = False
        self._doubt = anyio.Event()

    def runtime_reachable(self) -> bool:
        """Whether Podman answered when last asked."""
        return self._reachable

    def runtime_version(self) -> str | None:
        """Podman's version, None while it has never answered."""
        return self._version

    def answering_boot_us(self) -> int:
        """Since when (boot clock) Podman has answered without a break; now, if it does not."""
        now_us = self._clock.now().boot_us
        if self._answering_boot_us is None or now_us - self._heard_boot_us > UNHEARD_US:
            return now_us
        return self._answering_boot_us

    def heard(self) -> None:
        """Podman is there, whatever it may then have to say."""
        self._answering_boot_us = self.answering_boot_us()
        self._heard_boot_us = self._clock.now().boot_us

    def felt(self, version: str) -> None:
        """A whole round went well; Podman is of that version."""
        self._version = version
        if not self._reachable:
            log.info("podman answers")
        self._reachable = self._felt = True

    def lost(self, failure: RuntimeFailure) -> None:
        """A round did not go well; where Podman is there, it may be a deployment that holds it."""
        if self._reachable or not self._felt:
            log.warning("podman does not answer reason=%s", failure)
        if isinstance(failure, RuntimeUnavailable):
            self._answering_boot_us = None
        self._reachable, self._felt = False, True

    def suspect(self) -> None:
        """Somebody met with silence: feel again now."""
        self._doubt.set()

    async def sleep_or_suspicion(self, seconds: float) -> None:
        """Waits for the next round, or for the first doubt."""
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self._wake_after, seconds, tasks.cancel_scope)
            await self._doubt.wait()
            await self._clock.sleep(DOUBTS_S)
            tasks.cancel_scope.cancel()
        self._doubt = anyio.Event()

    async def _wake_after(self, seconds: float, scope: anyio.CancelScope) -> None:
        await self._clock.sleep(seconds)
        scope.cancel()
