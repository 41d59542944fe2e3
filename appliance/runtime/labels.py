"""Our labels in one place: what every container of ours carries, and when one is really ours.

An image's own labels are inherited by its containers, so a label alone proves nothing (measured):
all keys are always set at create, and each must say what the container's name promises.
"""

from collections.abc import Mapping

from appliance.domain.observed import ContainerName

INSTANCE = "network.neuranet.appliance.instance"
DEPLOYMENT = "network.neuranet.appliance.deployment"
GENERATION = "network.neuranet.appliance.generation"
SPEC = "network.neuranet.appliance.spec"


def of(name: ContainerName, *, spec_hash: str) -> dict[str, str]:
    """The labels of the container of that name; ``spec_hash`` is what it was created from."""
    return {
        INSTANCE: name.prefix,
        DEPLOYMENT: name.deployment_id,
        GENERATION: str(name.generation),
        SPEC: spec_hash,
    }


def ours(name: str, labels: Mapping[str, str], *, prefix: str) -> bool:
    """Whether ``labels`` hold all that ``name`` promises as a name of the instance ``prefix``."""
    parsed = ContainerName.parse(name, prefix=prefix)
    if parsed is None or not labels.get(SPEC):
        return False
    promised = of(parsed, spec_hash=labels[SPEC])
    return str(parsed) == name and promised.items() <= labels.items()
