"""How a container ended, in words: exit codes, signals, memory, crash loops; on real Podman."""

import pytest

from tests.box import Api, wait_for
from tests.podman_harness import busybox_archive

pytestmark = pytest.mark.podman
BUSYBOX = "localhost/test/busybox:latest"
MEMORY_MB = 32
ENDINGS = [
    ("exit 0", "stopped", 0, "completed", "Ended by itself with exit code 0"),
    ("exit 3", "failed", 3, "exited", "Exited with code 3"),
    ("exit 126", "failed", 126, "command_not_executable",
     "The command can't be executed (exit code 126)"),
    ("exit 127", "failed", 127, "command_not_found", "The command was not found (exit code 127)"),
    ("kill -9 $$; sleep 9", "failed", 137, "killed", "Ended by signal SIGKILL (exit code 137)"),
    ("exec tail /dev/zero", "failed", 137, "out_of_memory",
     f"Killed for want of memory (limit {MEMORY_MB} MiB), exit code 137"),
]  # fmt: skip


def run(api: Api, *command: str, **fields: object) -> str:
    made = api.create(templateId=None, customImage=BUSYBOX, command=list(command), **fields)
    return str(made["id"])


@pytest.mark.parametrize(("script", "status", "code", "reason", "words"), ENDINGS)
def test_an_end_is_told_with_its_code_and_in_words(
    api: Api, script: str, status: str, code: int, reason: str, words: str
) -> None:
    resources = {"memoryMb": MEMORY_MB}
    i = run(api, "sh", "-c", script, restartPolicy="never", resources=resources)
    ended = api.until(i, status)
    assert (ended["exitCode"], ended["statusReason"]) == (code, {"code": reason, "message": words})
    api.http.delete(f"/deployments/{i}")


@pytest.mark.parametrize("policy", ["never", "on-failure", "always"])
@pytest.mark.parametrize(
    ("command", "code", "words"),
    [
        ("no-such-command", "command_not_found",
         "The command, or the interpreter that it names, is not in the image"),
        ("/etc", "command_not_executable", "The command can't be executed: Permission denied"),
    ],
)  # fmt: skip
def test_a_command_that_can_not_be_started_is_a_failure_at_once_whatever_the_policy(
    api: Api, command: str, code: str, words: str, policy: str
) -> None:
    i = run(api, command, restartPolicy=policy)
    ended = api.until(i, "failed")
    assert ended["statusReason"] == {"code": code, "message": words}
    assert (ended["exitCode"], ended["restartCount"]) == (1, 0)
    api.http.delete(f"/deployments/{i}")


def test_an_image_whose_entrypoint_is_not_in_it_fails_so_and_starts_once_it_is_named_right(
    api: Api,
) -> None:
    changes = '--change=ENTRYPOINT ["/no/such/entrypoint"]'
    wrong = "localhost/test/wrong:latest"
    api.box.podman("import", changes, "-", wrong, stdin=busybox_archive())
    i = str(api.create(templateId=None, customImage=wrong)["id"])
    assert api.until(i, "failed")["statusReason"]["code"] == "command_not_found"
    change = {"image": BUSYBOX, "command": ["sleep", "1000"]}
    assert api.http.patch(f"/deployments/{i}", json=change).status_code == 202
    api.until(i, "running")
    api.http.delete(f"/deployments/{i}")


def test_an_image_without_a_command_is_a_failure_at_once_that_says_what_to_do(api: Api) -> None:
    i = str(api.create(templateId=None, customImage=BUSYBOX)["id"])
    reason = api.until(i, "failed")["statusReason"]
    assert reason["code"] == "no_command"
    assert "say one in `command`" in reason["message"]
    events = api.http.get(f"/deployments/{i}/events").json()["events"]
    assert "retrying" not in [e["type"] for e in events]
    change = {"command": ["sleep", "1000"]}
    assert api.http.patch(f"/deployments/{i}", json=change).status_code == 202
    api.until(i, "running")
    api.http.delete(f"/deployments/{i}")


def test_last_words_are_those_of_the_last_run_and_tell_no_secret(api: Api) -> None:
    script = 'printf "\\033[31mno entry with $KEY\\033[0m\\007\\n\\n" >&2; exit 5'
    i = run(api, "sh", "-c", script, restartPolicy="never", secrets={"KEY": "hunter2 hunter2"})
    assert api.until(i, "failed")["statusReason"] == {
        "code": "exited", "message": "Exited with code 5: no entry with ***",
    }  # fmt: skip
    api.http.delete(f"/deployments/{i}")
    once = "[ -e /tmp/ran ] && exit 6; touch /tmp/ran; echo first run; sleep 1; exit 5"
    i = run(api, "sh", "-c", once)
    wait_for(lambda: api.get(i)["restartCount"] == 2)
    events = api.http.get(f"/deployments/{i}/events").json()["events"]
    assert [e["message"] for e in events if e["type"] == "crashed"] == [
        "Exited with code 5: first run; restart 1 now", "Exited with code 6; restart 2 in 10 s",
    ]  # fmt: skip
    api.http.delete(f"/deployments/{i}")


def test_a_crash_loop_waits_ever_longer_and_says_until_when(api: Api) -> None:
    i = run(api, "sh", "-c", "exit 5")
    wait_for(lambda: api.get(i)["restartCount"] == 2)
    looping = api.get(i)
    assert looping["status"] == "starting"
    assert looping["statusReason"] == {
        "code": "exited", "message": "Exited with code 5; restart 2 in 10 s",
    }  # fmt: skip
    wait_for(lambda: api.get(i)["restartCount"] == 3)
    assert api.get(i)["statusReason"]["message"] == "Exited with code 5; restart 3 in 20 s"
    events = api.http.get(f"/deployments/{i}/events").json()["events"]
    assert [e["type"] for e in events].count("crashed") == 3
    assert api.http.post(f"/deployments/{i}/stop").status_code == 202
    api.until(i, "stopped")
    api.http.delete(f"/deployments/{i}")
