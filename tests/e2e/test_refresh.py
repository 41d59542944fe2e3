"""A tag is fetched anew from a real registry, and the deployment changes over if it is another."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.box import Api, Box, running_box, wait_for
from tests.podman_harness import busybox_archive, free_ports
from tests.registry_harness import start_registry, stop

pytestmark = pytest.mark.podman


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The reference of the image, in a registry without TLS."""
    folder, [port] = tmp_path_factory.mktemp("registry"), free_ports(1)
    process = start_registry(folder, port)
    try:
        yield f"127.0.0.1:{port}/team/app:1"
    finally:
        stop(process)


@pytest.fixture(scope="module")
def box(registry: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Box]:
    conf: Path = tmp_path_factory.mktemp("conf") / "registries.conf"
    host = registry.partition("/")[0]
    conf.write_text(f'[[registry]]\nlocation = "{host}"\ninsecure = true\n')
    with running_box(CONTAINERS_REGISTRIES_CONF=str(conf)) as made:
        yield made


def publish(box: Box, reference: str, version: str) -> None:
    """Puts an image with that version in it into the registry; this machine's own tag stays."""
    local = f"localhost/test/app:{version}"
    archive = busybox_archive([("version", version.encode())])
    box.podman("import", '--change=CMD ["sleep", "1000"]', "-", local, stdin=archive)
    box.podman("push", "--quiet", "--tls-verify=false", local, reference)


def version_inside(api: Api, deployment_id: str) -> list[str]:
    """Of each container of a deployment that runs."""
    names = api.box.podman("ps", "--format", "{{.Names}}").split()
    mine = [name for name in names if deployment_id[4:] in name]
    return [api.box.podman("exec", name, "cat", "/version") for name in mine]


def test_update_says_already_newest_or_changes_over_to_what_is_newer(
    api: Api, registry: str
) -> None:
    publish(api.box, registry, "one")
    i = str(api.create(templateId=None, customImage=registry)["id"])
    api.until(i, "running")
    before = api.get(i)["startedAt"]
    same = api.box.cli("update", i)
    assert (same.returncode, same.stdout) == (0, f"{i}: Already newest: {registry}\n"), same.stderr
    assert (api.get(i)["startedAt"], version_inside(api, i)) == (before, ["one"])
    publish(api.box, registry, "two")
    newer = api.box.cli("update", i)
    assert newer.returncode == 0, newer.stderr
    assert newer.stdout == f"{i}: Updated: {registry} runs\n"
    wait_for(lambda: version_inside(api, i) == ["two"])
    api.http.delete(f"/deployments/{i}")


def test_what_can_not_be_fetched_anew_leaves_what_runs(api: Api, registry: str) -> None:
    """The tag is on this machine alone: it was never in the registry."""
    never_pushed = registry.replace("app:1", "never:1")
    archive = busybox_archive()
    command = '--change=CMD ["sleep", "1000"]'
    api.box.podman("import", command, "-", never_pushed, stdin=archive)
    i = str(api.create(templateId=None, customImage=never_pushed)["id"])
    api.until(i, "running")
    failed = api.box.cli("update", i)
    assert failed.returncode == 1
    assert "The update failed and the deployment stays as it was" in failed.stderr
    shown = api.get(i)
    assert (shown["status"], shown["statusReason"]["code"]) == ("running", "update_failed")
    api.http.delete(f"/deployments/{i}")
