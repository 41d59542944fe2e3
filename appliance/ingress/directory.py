"""What a host name leads to."""

from dataclasses import dataclass

from appliance.engine.addresses import Address


@dataclass(frozen=True, slots=True)
class Console:
    """The API and the page."""


@dataclass(frozen=True, slots=True)
class Deployed:
    """A deployment, and the container's port that the name leads to.

    ``port`` is None where the deployment has none that speaks HTTP. Whether it can be relayed to
    now is the address's to say.
    """

    address: Address
    port: int | None


@dataclass(frozen=True, slots=True)
class Unknown:
    """Nothing of ours; ``below_domain`` tells a wrong name from a wrong machine."""

    below_domain: bool


Place = Console | Deployed | Unknown
