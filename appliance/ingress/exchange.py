"""One request and its answer, as far as they have come."""

from dataclasses import dataclass

from appliance.ingress.answer import Answer
from appliance.ingress.framing import Framing
from appliance.ingress.head import Head
from appliance.ingress.seams import Grant

GONE = 499  # nginx's number for a client that did not wait


@dataclass(slots=True)
class Exchange:
    """``body`` is what is still to come of the request's, None once it has all been passed on.

    ``grant`` is what the request was let in on. ``answer`` is there once it has begun, and
    ``answered`` once it is over; the request may not be then.
    """

    head: Head
    body: Framing | None
    grant: Grant | None = None
    answer: Answer | None = None
    answered: bool = False

    def take(self, data: bytes) -> int:
        """Up to where ``data`` belongs to the request's body, and may be passed on.

        Raises:
            BadFraming: it can't be told.
        """
        if self.body is None:
            return 0
        stop = self.body.end(data, 0)
        if self.body.done:
            self.body = None
        return stop

    @property
    def is_last(self) -> bool:
        """Whether client or upstream wants no other on this connection."""
        return not self.head.keeps_alive or (self.answer is not None and self.answer.closes)

    @property
    def status(self) -> int:
        """The answer's, as far as one was given."""
        return GONE if self.answer is None else self.answer.status
