"""Our labels in one place: what every container of ours carries, and when one is really ours.

An image's own labels are inherited by its containers, so a label alone proves nothing (measured):
all keys are always set at create, and each must say what the container's name promises.
"""

from collections.abc import Mapping, Sequence

from appliance.domain.observed import ContainerName

INSTANCE = "network.neuranet.appliance.instance"
DEPLOYMENT = "network.neuranet.appliance.deployment"
GENERATION = "network.neuranet.appliance.generation"
SPEC = "network.neuranet.appliance.spec"
DEVICES = "network.neuranet.appliance.devices"


def of(name: ContainerName, *, spec_hash: str, devices: Sequence[str] = ()) -> dict[str, str]:
    """The labels of the container of that name; ``spec_hash`` is what it was created from.

    ``devices`` are its CDI names: Podman itself shows only the nodes they stood for.
    """
    return {
        INSTANCE: name.prefix,
        DEPLOYMENT: name.deployment_id,
        GENERATION: str(name.generation),
        SPEC: spec_hash,
        DEVICES: ",".join(devices),
    }


def devices(labels: Mapping[str, str]) -> tuple[str, ...]:
    """The CDI names a container of ours was created with."""
    return tuple(labels.get(DEVICES, "").split(",")) if labels.get(DEVICES) else ()


def ours(name: str, labels: Mapping[str, str], *, prefix: str) -> bool:
    """Whether ``labels`` hold all that ``name`` promises as a name of the instance ``prefix``."""
    parsed = ContainerName.parse(name, prefix=prefix)
    if parsed is None or not labels.get(SPEC):
        return False
    promised = of(parsed, spec_hash=labels[SPEC], devices=devices(labels))
    return str(parsed) == name and promised.items() <= labels.items()
