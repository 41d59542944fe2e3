"""GPU memory given back without a stop: the packaged templates' own commands, on real Podman.

The images are stand-ins: BusyBox with an ``ollama``, a ``vllm`` and a ``python3`` of our own, that
do what the real ones do when they are asked for memory, and write down that they were asked.
"""

import socket
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest

from tests.box import NO_TLS, Api, Box, running_box, wait_for
from tests.e2e.test_sleep import ask, host_of, told
from tests.fake_nvml import FakeNvml, gpus_of
from tests.podman_harness import busybox_archive

pytestmark = pytest.mark.podman

Json = dict[str, Any]

CLIENTS = 100
BUSYBOX = "localhost/test/busybox:latest"
CALLS = "/tmp/calls"  # noqa: S108 - in a container of our own
OTHERS_MB, LOADED_MB, EMPTY_MB = 10_000, 20_000, 500

ANSWERS = r"""
read -r method target _
while read -r line && [ "${#line}" -gt 1 ]; do :; done
answer() {
    printf 'HTTP/1.1 200 OK\r\nContent-Length: %s\r\nConnection: close\r\n\r\n%s' ${#1} "$1"
}
"""

OLLAMA = b"""#!/bin/sh
case "$1" in
serve) touch /tmp/loaded; exec nc -ll -p 11434 -e /bin/answer ;;
ps) echo "NAME ID SIZE"; [ -e /tmp/loaded ] && echo "llama2:7b 78e26419b446 20GB" ;;
stop) echo "$*" >> /tmp/calls; rm /tmp/loaded ;;
esac
exit 0
"""
OLLAMA_ANSWERS = f"#!/bin/sh\n{ANSWERS}\nanswer hello\n".encode()

COMFYUI = b"#!/bin/sh\nexec nc -ll -p 8188 -e /bin/answer\n"
COMFYUI_ANSWERS = f"""#!/bin/sh
{ANSWERS}
[ "$method $target" = "POST /free" ] && echo free >> /tmp/calls
answer hello
""".encode()

VLLM = b"""#!/bin/sh
[ "$VLLM_SERVER_DEV_MODE" = 1 ] || exit 1
case "$*" in *--enable-sleep-mode*) ;; *) exit 1 ;; esac
mkdir /www/v1
echo -n ok > /www/health
echo -n hello > /www/v1/models
exec httpd -f -p 8000 -h /www
"""
SLEEP = b"""#!/bin/sh
echo sleep >> /tmp/calls
mv /www/v1 /www/asleep
printf 'Content-Type: text/plain\\r\\n\\r\\nok'
"""
WAKE_UP = b"""#!/bin/sh
echo wake_up >> /tmp/calls
mv /www/asleep /www/v1
printf 'Content-Type: text/plain\\r\\n\\r\\nok'
"""
PYTHON = rb"""#!/bin/sh
url=$(printf '%s' "$2" | sed -n 's/.*"\(http:[^"]*\)".*/\1/p')
case "$url" in *:8000/*) url="http://127.0.0.1:8000/cgi-bin/${url##*/}" ;; esac
exec wget -q -O /dev/null --post-data= "$url"
"""
"""BusyBox's server runs programs below ``/cgi-bin/`` alone."""


IMAGES = {
    "docker.io/ollama/ollama:latest": {"bin/ollama": OLLAMA, "bin/answer": OLLAMA_ANSWERS},
    "docker.io/yanwk/comfyui-boot:cu130-slim-v2": {
        "bin/comfyui": COMFYUI, "bin/answer": COMFYUI_ANSWERS, "bin/python3": PYTHON,
    },
    "docker.io/vllm/vllm-openai:latest": {
        "bin/vllm": VLLM, "bin/python3": PYTHON,
        "www/cgi-bin/sleep": SLEEP, "www/cgi-bin/wake_up": WAKE_UP,
    },
}  # fmt: skip


@pytest.fixture(scope="module")
def nvml(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FakeNvml]:
    with gpus_of(tmp_path_factory.mktemp("nvml"), 1) as made:
        yield made


@pytest.fixture(scope="module")
def box(nvml: FakeNvml) -> Iterator[Box]:
    wide = {"APPLIANCE_MAX_CONNECTIONS_PER_ADDRESS": "300"}
    with running_box(**nvml.environ, **wide) as made:
        for name, programs in IMAGES.items():
            install(made, name, programs)
        yield made


def install(box: Box, name: str, programs: dict[str, bytes]) -> None:
    """The first of the programs is what the container runs."""
    archive = busybox_archive(list(programs.items()))
    changes = [f'--change=ENTRYPOINT ["/{next(iter(programs))}"]', '--change=CMD ["serve"]']
    box.podman("import", *changes, "-", name, stdin=archive)


class Cast:
    """A deployment that gives memory back, and whoever comes for it."""

    def __init__(self, api: Api, nvml: FakeNvml, template: str, share_mb: int) -> None:
        self.api, self.nvml = api, nvml
        resources = {"gpus": 1, "vramMb": share_mb, "exclusive": False}
        made = api.create(
            templateId=template, name=template, resources=resources, evictable=True,
            access="public",
        )  # fmt: skip
        self.id = str(made["id"])
        api.until(self.id, "running")
        self.container = self.inspect("{{.Id}}")
        self.uses(LOADED_MB)

    @property
    def name(self) -> str:
        wanted = f"name={self.id.replace('_', '-')}"
        return self.api.box.podman("ps", "--filter", wanted, "--format", "{{.Names}}")

    def inspect(self, what: str) -> str:
        return self.api.box.podman("inspect", "--format", what, self.name)

    def uses(self, mb: int) -> None:
        """So much of the GPU's memory is its process's from now on."""
        pid = int(self.inspect("{{.State.Pid}}"))
        self.nvml.processes = [(self.nvml.gpus[0].uuid, pid, mb)]
        self.nvml.change(0, used_mb=mb)
        wait_for(lambda: self.is_seen_to_use(mb))

    def is_seen_to_use(self, mb: int) -> bool:
        [gpu] = self.api.http.get("/nodes").json()["nodes"][0]["gpus"]
        return (self.id, mb) in [(h["deploymentId"], h["vramMb"]) for h in gpu["holders"]]

    def calls(self) -> list[str]:
        """What its server was asked for, as far as that matters."""
        return self.api.box.podman("exec", self.name, "cat", CALLS).splitlines()

    def give_way(self) -> str:
        """Somebody comes for whom it gives memory back, and gets it; who that is."""
        before = told(self.api, self.id).count("softened")
        taker = self.api.create(
            templateId=None, customImage=BUSYBOX, command=["sleep", "1000"],
            resources={"gpus": 1, "vramMb": OTHERS_MB, "exclusive": False},
        )  # fmt: skip
        wait_for(lambda: told(self.api, self.id).count("softened") > before)
        self.uses(EMPTY_MB)
        self.api.until(taker["id"], "running")
        assert self.api.get(self.id)["status"] == "running"
        return str(taker["id"])

    def leave(self, *ids: str) -> None:
        for i in ids:
            assert self.api.http.delete(f"/deployments/{i}").status_code == 200

    def is_the_same(self) -> bool:
        return self.inspect("{{.Id}}") == self.container


@pytest.fixture
def cast(api: Api, nvml: FakeNvml) -> Iterator[Callable[[str, int], Cast]]:
    made: list[Cast] = []

    def deploy(template: str, share_mb: int) -> Cast:
        made.append(Cast(api, nvml, template, share_mb))
        return made[-1]

    yield deploy
    for one in made:
        one.leave(one.id)
    nvml.processes = []
    nvml.change(0, used_mb=0)


@pytest.mark.parametrize(
    ("template", "calls"), [("ollama", ["stop llama2:7b"]), ("comfyui", ["free"])]
)
def test_models_are_unloaded_and_it_goes_on_serving(
    api: Api, cast: Callable[[str, int], Cast], template: str, calls: list[str]
) -> None:
    one = cast(template, 8_000)
    assert ask(api, one.id).text == "hello"
    taker = one.give_way()
    assert one.calls() == calls
    assert ask(api, one.id).text == "hello"
    assert one.is_the_same()
    assert api.get(one.id)["statusReason"] is None
    one.leave(taker)


def models(api: Api, deployment_id: str) -> str:
    url, headers = f"{api.box.url}/v1/models", {"Host": host_of(deployment_id)}
    return httpx.get(url, headers=headers, timeout=60, verify=NO_TLS).text


def test_vllm_sleeps_on_its_gpu_and_wakes_for_its_next_request(
    api: Api, cast: Callable[[str, int], Cast]
) -> None:
    vllm = cast("vllm", LOADED_MB)
    assert models(api, vllm.id) == "hello"
    taker = vllm.give_way()
    assert vllm.calls() == ["sleep"]
    assert api.get(vllm.id)["statusReason"]["code"] == "softened"
    inside = f"http://127.0.0.1:{api.box.loopback_port(vllm.id)}/v1/models"
    assert httpx.get(inside).status_code == 404  # it serves nobody: the door has to hold them
    vllm.leave(taker)
    with ThreadPoolExecutor(CLIENTS) as pool:
        answers = Counter(pool.map(lambda _: models(api, vllm.id), range(CLIENTS)))
    assert answers == {"hello": CLIENTS}
    assert vllm.calls() == ["sleep", "wake_up"]
    assert vllm.is_the_same()
    assert api.get(vllm.id)["statusReason"] is None


def test_vllm_sleeps_on_over_a_kill_of_the_appliance_and_waits_for_its_memory(
    api: Api, cast: Callable[[str, int], Cast]
) -> None:
    vllm = cast("vllm", LOADED_MB)
    taker = vllm.give_way()
    api.box.kill()
    api.box.start()
    answers: list[str] = []
    client = threading.Thread(target=lambda: answers.append(models(api, vllm.id)))
    client.start()
    wait_for(lambda: "number 1 in line" in str(api.get(vllm.id)["statusReason"]))
    assert (answers, vllm.calls()) == ([], ["sleep"])
    vllm.leave(taker)
    client.join()
    assert (answers, vllm.calls()) == (["hello"], ["sleep", "wake_up"])
    assert vllm.is_the_same()


def test_what_puts_vllm_to_sleep_is_not_for_strangers(
    api: Api, cast: Callable[[str, int], Cast]
) -> None:
    vllm = cast("vllm", LOADED_MB)
    for path in ("/sleep?level=1", "/%73leep?level=1", "/v1/../sleep", "/cgi-bin/sleep"):
        request = f"POST {path} HTTP/1.1\r\nHost: {host_of(vllm.id)}\r\nConnection: close\r\n\r\n"
        with socket.create_connection(("127.0.0.1", api.box.port)) as plain:
            plain.sendall(request.encode())  # as it stands: an HTTP client would tidy the path
            assert b"no_such_path" in plain.makefile("rb").read(), path
    assert models(api, vllm.id) == "hello"
