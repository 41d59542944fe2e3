"""What Podman was asked for and may still do, though nobody waits for it any more.

An answer that does not come says nothing: Podman goes on though its caller is gone, and the call
may land behind whatever is asked later. (Of ten starts sent to a frozen service, each with a stop
behind it, six landed after the stop when it went on with 4.3.1, seven with 5.4.2: measured.)

So it is noted before it is sent (a create and the start that follows at once as the start alone),
and a container that is not seen to have been created or started by it is never used again: it is
removed, and the next one has another name. A start that lands then
finds no such container; a create that lands makes one that nobody starts.
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
