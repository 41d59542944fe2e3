"""Containers of an appliance are kept apart, as its users run it: by the firewall where it can."""

import pytest

from appliance.runtime import labels
from tests.box import Api, wait_for

pytestmark = pytest.mark.podman

FIRST_ADDRESS = "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}"


def serving(api: Api) -> str:
    """The name of a container that answers on port 8080."""
    command = ["httpd", "-f", "-p", "8080", "-h", "/etc"]
    image = "localhost/test/busybox"
    made = api.create(templateId=None, customImage=image, command=command, ports=[{"port": 8080}])
    api.until(made["id"], "running")
    filters = f"--filter=label={labels.DEPLOYMENT}={made['id']}"
    return api.box.podman("ps", "--format={{.Names}}", filters)


def reaches(api: Api, name: str, address: str) -> bool:
    try:
        api.box.podman("exec", name, "nc", "-w", "1", address, "8080")
    except AssertionError:
        return False
    return True


def test_one_deployment_does_not_reach_another(api: Api) -> None:
    one, other = serving(api), serving(api)
    mine, theirs = (api.box.podman("inspect", f"--format={FIRST_ADDRESS}", n) for n in (one, other))
    wait_for(lambda: reaches(api, one, mine) and reaches(api, other, theirs))
    assert not reaches(api, one, theirs)
    assert not reaches(api, other, mine)
