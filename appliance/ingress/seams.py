"""What the door is handed: the parts that decide who passes and what is said, each replaceable.

The door itself knows only bytes, names and addresses.
"""

import ssl
from collections.abc import Hashable
from dataclasses import dataclass
from typing import Protocol

from appliance.engine.addresses import Address
from appliance.ingress.head import Head

Field = tuple[bytes, bytes]


@dataclass(frozen=True, slots=True)
class Reply:
    """A complete answer given by the door itself.

    ``fields`` are header fields as they stand on the wire; the door adds Content-Length, Date and
    Connection, leaves the body out where the request was a HEAD, and deals with what is left of
    the request.
    """

    status: int
    fields: tuple[Field, ...] = ()
    body: bytes = b""


Grant = Hashable
"""What a request was let in on, in the gate's own terms."""


@dataclass(frozen=True, slots=True)
class Passed:
    """The request may go on; with a ``grant``, for as long as that stands."""

    grant: Grant | None = None


Verdict = Passed | Reply


class Gate(Protocol):
    """Decides about each request to a *private* deployment; the door asks for no other."""

    async def admit(self, head: Head, address: Address, client: str, *, secure: bool) -> Verdict:
        """Lets it through or answers it (401, 403, the redirect that sets the cookie).

        ``client`` is the client's IP address, ``secure`` whether it came over TLS. Raises nothing.
        """

    async def stands(self, grant: Grant) -> bool:
        """Whether a grant of its own still counts; asked for as long as what it let in lasts.

        False once the token was revoked, replaced or has expired, or the user may no more.
        Raises nothing.
        """


@dataclass(frozen=True, slots=True)
class Trouble:
    """Why a request is not relayed.

    ``code`` is stable: ``unknown_host`` (404, below our domain), ``misdirected`` (421),
    ``not_running`` (503: ``address.status`` and ``.reason`` say what it does instead), ``paused``
    (503: it was frozen with Podman), ``waking`` (503: it slept, and does not answer yet),
    ``no_such_port`` (404), ``no_such_path`` (404: none of those that are open), ``unreachable``
    (502: it runs, but does not take connections), ``broke_off`` (502: it hung up before it had
    answered), ``bad_answer`` (502), ``too_many_connections`` (503), and the refusals of what can't
    be read (``head.py``).
    """

    status: int
    code: str
    message: str
    address: Address | None = None
    host: str = ""
    retry_after_s: int | None = None


class Pages(Protocol):
    """Says it: HTML for people, problem+json for programs."""

    def tell(self, trouble: Trouble, head: Head | None) -> Reply:
        """The answer; ``head`` is None where the request could not be read. Raises nothing."""


class Certificates(Protocol):
    """TLS by host name."""

    @property
    def context(self) -> ssl.SSLContext:
        """The context of the listener, whose ``sni_callback`` picks the leaf.

        Read once a handshake, so that a renewed certificate needs no restart.
        """

    def asked_name(self, connection: ssl.SSLObject) -> str | None:
        """The host name the client asked for by SNI (lower case), None if it asked for none."""


class Waker(Protocol):
    """Wakes a deployment that sleeps, for as long as a request is held for it."""

    async def wake(self, address: Address, *, hold: bool) -> Trouble | None:
        """None when it answers again, and is to be looked for anew; at once if it does not sleep.

        The trouble to tell, where the request was held for as long as it may be, or was not to be
        held (``hold`` false) and only to begin the waking. Raises nothing.
        """
