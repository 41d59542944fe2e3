"""A clock that stands still until a test moves it."""

from datetime import UTC, datetime, timedelta

from anyio.lowlevel import checkpoint

from appliance.domain.instant import Instant

START = datetime(2026, 1, 15, 10, 30, tzinfo=UTC)


class ManualClock:
    """Both clocks together; ``sleep`` gives way once and counts as slept."""

    def __init__(self) -> None:
        self._passed = timedelta(hours=1)

    def now(self) -> Instant:
        return Instant(
            wall=START + self._passed,
            boot_us=self._passed // timedelta(microseconds=1),
            boot_id="b",
        )

    async def sleep(self, seconds: float) -> None:
        self.pass_time(seconds=seconds)
        await checkpoint()

    def pass_time(self, **amount: float) -> None:
        """As ``timedelta`` takes it."""
        self._passed += timedelta(**amount)
