"""How a container ended, in words: exit codes, signals, memory, crash loops; on real Podman."""

import pytest

from tests.box import Api, wait_for

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


def test_a_command_that_is_not_there_is_told_with_what_was_said_of_it(api: Api) -> None:
    # Podman's init starts well and only then finds nothing to run: to Podman that is an exit.
    i = run(api, "no-such-command", restartPolicy="never")
    ended = api.until(i, "failed")
    assert ended["exitCode"] == 1
    told = ended["statusReason"]["message"]
    assert told.startswith("Exited with code 1: "), told
    assert told.endswith("No such file or directory"), told
    said = [line["message"] for line in api.http.get(f"/deployments/{i}/logs").json()["logs"]]
    assert any("No such file or directory" in message for message in said), said
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
