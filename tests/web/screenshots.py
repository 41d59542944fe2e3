"""Every page of the web page as pictures, at three widths, light and dark.

    .venv/bin/python -m tests.web.screenshots FOLDER [NAME …]

starts an appliance of its own, fills it, and writes ``NAME-WIDTH-SCHEME.png`` into FOLDER.
"""

import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Literal

from playwright.sync_api import Page, expect

from tests.box import PASSWORD, Api, Box, running_box, wait_for
from tests.fake_nvml import FakeNvml, gpus_of
from tests.web.browser import DESKTOP, OWNER, PHONE, TABLET, chromium, visit

Scheme = Literal["light", "dark"]
SCHEMES: tuple[Scheme, ...] = ("light", "dark")
DRAWN_MS = 400
SAMPLES = 3
NOISE = (
    'i=0; while true; do i=$((i+1)); echo "request $i handled in $((i % 7)) ms";'
    ' [ $((i % 9)) = 0 ] && echo "warning: slow answer for request $i" >&2;'
    " [ $i -gt 60 ] && sleep 1; done"
)  # fmt: skip
CRASH = "echo cannot open /etc/app.conf >&2; exit 3"


def fill(api: Api) -> Mapping[str, str]:
    """Deployments in every state, by a name for each."""
    busybox = {"templateId": None, "customImage": "localhost/test/busybox"}
    orders: dict[str, dict[str, object]] = {
        "welcome": {"env": {"GREETING": "Good morning"}, "secrets": {"API_KEY": "hidden"}},
        "noisy": {**busybox, "name": "noisy-worker", "command": ["sh", "-c", NOISE], "ports": [],
                  "volumes": [{"name": "data", "path": "/data"}],
                  "resources": {"cpus": 0.2, "memoryMb": 64}},
        "failed": {"templateId": None, "customImage": "localhost/team/does-not-exist:2.1",
                   "name": "misspelt-image"},
        "crashing": {**busybox, "command": ["sh", "-c", CRASH],
                     "name": "crash-loop", "ports": []},
        "stopped": {**busybox, "command": ["sleep", "1000"], "name": "nightly-report"},
        "long": {"name": "a-name-as-long-as-names-may-be-for-it-has-to-fit-into-the-list"},
        "gpu": {**busybox, "name": "wants-gpus", "resources": {"gpus": 8}},
    }  # fmt: skip
    ids = {key: api.create(**order)["id"] for key, order in orders.items()}
    for key in ("welcome", "noisy", "stopped", "long"):
        api.until(ids[key], "running")
    api.http.post(f"/deployments/{ids['stopped']}/stop")
    api.until(ids["stopped"], "stopped")
    return ids


def places(ids: Mapping[str, str]) -> dict[str, str]:
    """Every page by a name."""
    welcome, noisy = (f"/ui/deployments/{ids[key]}" for key in ("welcome", "noisy"))
    return {
        "deployments": "/ui/",
        "deployments-none-match": "/ui/?q=nothing-has-this-name",
        "gallery": "/ui/new",
        "create-template": "/ui/new/postgres",
        "create-image": "/ui/new/image",
        "logs": f"{noisy}/logs",
        "metrics": f"{welcome}/metrics",
        "events": f"{noisy}/events",
        "configuration": f"{welcome}/configuration",
        "change": f"{welcome}/change",
        "failed": f"/ui/deployments/{ids['failed']}",
        "crashing": f"/ui/deployments/{ids['crashing']}",
        "gone": "/ui/deployments/dep_gone",
        "machine": "/ui/machine",
        "usage": "/ui/usage",
        "account": "/ui/account",
        "settings-users": "/ui/settings/users",
        "settings-registries": "/ui/settings/registries",
        "settings-audit": "/ui/settings/audit",
        "settings-upkeep": "/ui/settings/upkeep",
        "terminal": f"{welcome}/terminal",
        "missing": "/ui/nowhere",
    }


def settle(page: Page) -> None:
    """Until nothing is loading any more."""
    expect(page.locator(".loading")).to_have_count(0)


def shoot(box: Box, ids: Mapping[str, str], folder: Path, wanted: Callable[[str], bool]) -> None:
    """One picture of each page, width and scheme."""
    with chromium() as browser:
        for viewport in (DESKTOP, TABLET, PHONE):
            for scheme in SCHEMES:
                suffix = f"{viewport['width']}-{scheme}.png"
                is_phone = viewport is PHONE
                with visit(
                    browser, box, viewport=viewport, color_scheme=scheme,
                    has_touch=is_phone, is_mobile=is_phone,
                ) as made:  # fmt: skip
                    page = made.go("/ui/login")
                    page.get_by_label("E-mail").wait_for()
                    if wanted("login"):
                        page.screenshot(path=folder / f"login-{suffix}")
                    made.log_in()
                    for name, path in places(ids).items():
                        if wanted(name):
                            settle(made.go(path))
                            page.wait_for_timeout(DRAWN_MS)
                            page.screenshot(path=folder / f"{name}-{suffix}", full_page=True)
                    made.complaints.clear()  # some of these pages are there to show an error


def hold_a_gpu(api: Api, nvml: FakeNvml) -> None:
    """One deployment has the first GPU, and is at work on it."""
    made = api.create(
        templateId=None, customImage="localhost/test/busybox", command=["sleep", "1000"],
        name="trainer", resources={"gpus": 1},
    )  # fmt: skip
    api.until(made["id"], "running")
    nvml.change(0, used_mb=18_400, utilization=97, milliwatts=341_000, degrees=71)


def has_been_asked(api: Api, deployment_id: str) -> bool:
    """Asks it once more; whether there are samples enough for a chart."""
    api.box.visit(api.get(deployment_id)["endpoints"][0]["url"])
    history = api.http.get(f"/deployments/{deployment_id}/stats/history").json()
    return len(history["samples"]) >= SAMPLES


def main(folder: str, *names: str) -> None:
    """Fills an appliance and takes the pictures."""
    target = Path(folder)
    target.mkdir(parents=True, exist_ok=True)
    with (
        TemporaryDirectory() as driver,
        gpus_of(Path(driver), 2) as nvml,
        running_box(**nvml.environ) as box,
    ):
        box.cli("user", "add", OWNER, "--admin", "--password-stdin", stdin=PASSWORD)
        with box.client(box.token()) as http:
            api = Api(box, http)
            ids = fill(api)
            hold_a_gpu(api, nvml)
            if not names or "metrics" in names:
                wait_for(lambda: has_been_asked(api, ids["welcome"]))
        shoot(box, ids, target, lambda name: not names or name in names)


if __name__ == "__main__":
    main(*sys.argv[1:])
