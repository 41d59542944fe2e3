"""As many files and connections as the system allows, or as many as before."""

import resource
import subprocess
import sys

import pytest

from appliance.host import descriptors
from tests.box import ROOT

RAISED = """
import resource
from appliance.host.descriptors import raise_limit
resource.setrlimit(resource.RLIMIT_NOFILE, (64, {hard}))
raise_limit()
print(*resource.getrlimit(resource.RLIMIT_NOFILE))
"""


@pytest.mark.parametrize("hard", [64, 512])
def test_it_may_have_all_that_the_system_allows_and_the_hard_limit_stays(hard: int) -> None:
    shown = subprocess.check_output([sys.executable, "-c", RAISED.format(hard=hard)], cwd=ROOT)
    assert shown.split() == [str(hard).encode()] * 2


def test_where_it_may_not_be_raised_it_stays(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse(_kind: int, _limits: tuple[int, int]) -> None:
        raise PermissionError("not here")

    monkeypatch.setattr(resource, "getrlimit", lambda _kind: (1024, resource.RLIM_INFINITY))
    monkeypatch.setattr(resource, "setrlimit", refuse)
    descriptors.raise_limit()
    assert "only 1024 files and connections at once: not here" in caplog.text
