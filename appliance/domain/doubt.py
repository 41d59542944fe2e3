"""What Podman was asked for and may still do, though nobody waits for it any more.

An answer that does not come says nothing: the call may land at any time from then on, behind
whatever is asked later. So it is noted before it is sent, and a container that is not seen to have
been created or started by it is never used again: it is removed, and the next one has another
name. A start that lands then finds no such container; a create that lands makes one that nobody
starts. Whatever stands still in Podman and is not in doubt stays so.
"""

from appliance.domain.deployment import Deployment, Verb
from appliance.domain.instant import to_us
from appliance.domain.observed import Container, ContainerState


def is_doubtful(d: Deployment, generation: int, c: Container | None) -> bool:
    """Whether something may still land on the container ``c`` of that generation, or as it."""
    asked = d.asked
    if asked is None or asked.generation != generation:
        return False
    if c is None:
        return True
    return asked.verb is Verb.START and not _has_begun(d, c)


def _has_begun(d: Deployment, c: Container) -> bool:
    """Whether the start has landed: nothing else was asked, so the run is its."""
    if c.state is ContainerState.EXITED:
        return c.started_at is not None and to_us(c.started_at) != d.handled_run_us
    return c.state is not ContainerState.CREATED
