"""This machine, shown as the only node of its own little network."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from appliance.clock import Clock
from appliance.domain.instant import from_us
from appliance.domain.node import NodeSpecs, Room
from appliance.engine.gpus import Gpus
from appliance.engine.pulse import Pulse
from appliance.engine.views import NodeView
from appliance.store import deployments, nodes
from appliance.store.database import Database


@dataclass(frozen=True, slots=True)
class NodeProfile:
    """What does not change while the appliance runs."""

    operator_id: str
    name: str
    specs: NodeSpecs
    region: str | None
    country: str | None
    hourly_rate_cents: int
    gpu_hourly_rate_cents: int
    max_deployments: int


class Nodes:
    """Reads the node. ``room`` tells what it has left."""

    def __init__(
        self,
        db: Database,
        clock: Clock,
        profile: NodeProfile,
        pulse: Pulse,
        gpus: Gpus,
        room: Callable[[], Awaitable[Room]],
    ) -> None:
        self._db = db
        self._clock = clock
        self._profile = profile
        self._pulse = pulse
        self._gpus = gpus
        self._room = room
        self._up_since_us = clock.now().wall_us

    async def current(self) -> NodeView:
        """The machine as it is now; ``offline`` while Podman does not answer."""
        row, profile = await nodes.current(self._db), self._profile
        now_us = self._clock.now().wall_us
        unbeaten_us = max(0, now_us - max(row.heartbeat_us, self._up_since_us))
        return NodeView(
            id=row.id,
            operator_id=profile.operator_id,
            name=profile.name,
            status="online" if self._pulse.runtime_reachable() else "offline",
            specs=profile.specs,
            room=await self._room(),
            gpus=await self._gpus.shown(),
            podman_version=self._pulse.runtime_version(),
            region=profile.region,
            country=profile.country,
            hourly_rate_cents=profile.hourly_rate_cents,
            gpu_hourly_rate_cents=profile.gpu_hourly_rate_cents,
            active_deployments=await deployments.count_active(self._db),
            max_deployments=profile.max_deployments,
            uptime_percent=_percent(row.up_us, unbeaten_us, now_us - row.created_us),
            last_heartbeat=from_us(row.heartbeat_us),
            created_at=from_us(row.created_us),
        )


def _percent(beaten_us: int, unbeaten_us: int, alive_us: int) -> float | None:
    """Of ``alive_us``; ``unbeaten_us`` were up since the last heartbeat, which proves itself.

    None before the first heartbeat: nothing is known yet.
    """
    if not beaten_us or alive_us <= 0:
        return None
    return round(min(100.0, 100.0 * (beaten_us + unbeaten_us) / alive_us), 2)
