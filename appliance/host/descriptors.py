"""How many files and connections this process may have open at once (getrlimit(2))."""

import logging
import resource

MOST = 1_048_576
"""What Podman takes too. Some systems allow a thousand times that, and programs walk over all."""

log = logging.getLogger(__name__)


def raise_limit() -> None:
    """As far as may be: the usual 1024 are 500 relayed connections.

    Containers have what they had: Podman raises its own limit in the same way, whatever it
    inherits, and theirs are set by name.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = MOST if hard == resource.RLIM_INFINITY else min(hard, MOST)
    if soft == resource.RLIM_INFINITY or soft >= most:
        return
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
    except (OSError, ValueError) as error:
        log.warning("only %d files and connections at once: %s", soft, error)
