"""The one place that decides it: work that comes round again outlives a database that can't serve.

Full, or held by another process: either passes, and a restart would not help. Reads and orders go
on meanwhile, and tell their callers; what has no caller waits for its next round.
"""

import logging

from appliance.domain.errors import StoreFailure

AGAIN_S = 2.0
"""After so long what has no rounds of its own is tried again."""

log = logging.getLogger(__name__)


class Patience:
    """``with`` it around one round: a ``StoreFailure`` ends the block, and nothing else.

    ``what`` waits is told when it begins to, when the reason changes, and when it goes on.
    """

    def __init__(self, what: str) -> None:
        self._what = what
        self._why = ""

    @property
    def waits(self) -> bool:
        """Whether the last round could not be done."""
        return bool(self._why)

    def __enter__(self) -> None:
        """A round begins."""

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> bool:
        """It is over; True: it will be tried again."""
        why = str(error) if isinstance(error, StoreFailure) else ""
        if why and why != self._why:
            log.warning("%s: waits for the database: %s", self._what, why)
        if error is None and self._why:
            log.info("%s: goes on", self._what)
        if why or error is None:
            self._why = why
        return bool(why)
