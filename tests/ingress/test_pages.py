"""What is said when there is nothing to relay to, to people and to programs."""

import base64
import hashlib
import json
import re
from dataclasses import replace
from html.parser import HTMLParser
from typing import Any

import pytest

from appliance.domain.deployment import Access, Reason, Status
from appliance.engine.addresses import Address
from appliance.ingress.head import Head
from appliance.ingress.pages import BY_CODE, BY_STATUS, FriendlyPages
from appliance.ingress.seams import Reply, Trouble
from appliance.log import PROBLEMS
from appliance.runtime.port import PullProgress

CONSOLE = "https://box.local:8443/"
BROWSER = b"text/html,application/xhtml+xml,*/*;q=0.8"
HALFWAY = PullProgress(3, 8, bytes_done=512 * 1024**2, bytes_total=1024**3)
EVIL = "<script>alert('1')</script>\"&{0}"


class Elements(HTMLParser):
    """Every element and all text of a page."""

    def __init__(self, page: bytes) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(page.decode())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data

    def attributes(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.found if name == tag]


def address(status: Status, reason: str | None = None, name: str = "my-ollama") -> Address:
    return Address(
        deployment_id="dep_4k2v9xq0m7ab", owner_id="user_a", name=name,
        image="docker.io/library/app:latest", hostname=None,
        access=Access.PUBLIC, status=status,
        reason=None if reason is None else Reason("exited", reason), http={}, tcp={},
    )  # fmt: skip


def stopped(status: Status, reason: str | None = None, name: str = "my-ollama") -> Trouble:
    found = address(status, reason, name)
    return Trouble(503, "not_running", f"{name} is {status}", found, "dep-a.box.local")


def tell(trouble: Trouble, accept: bytes | None, pull: PullProgress | None = None) -> Reply:
    fields = () if accept is None else ((b"Accept", accept),)
    head = Head(b"GET", b"/", b"1.1", trouble.host, fields)
    return FriendlyPages(CONSOLE, lambda _: pull).tell(trouble, head)


def field(reply: Reply, name: bytes) -> str | None:
    return next((v.decode() for n, v in reply.fields if n == name), None)


def problem(reply: Reply) -> dict[str, Any]:
    assert field(reply, b"Content-Type") == "application/problem+json"
    body: dict[str, Any] = json.loads(reply.body)
    assert body["status"] == reply.status
    return body


@pytest.mark.parametrize(
    ("status", "words", "again_s"),
    [
        (Status.PENDING, "my-ollama is waiting", 5),
        (Status.PULLING, "my-ollama is being downloaded", 3),
        (Status.STARTING, "my-ollama is starting", 2),
        (Status.STOPPING, "my-ollama is being stopped", 5),
        (Status.STOPPED, "my-ollama is stopped", None),
        (Status.FAILED, "my-ollama has failed", None),
    ],
)
def test_a_person_reads_what_it_does_and_the_page_looks_again_where_that_helps(
    status: Status, words: str, again_s: int | None
) -> None:
    reply = tell(stopped(status, "It said no"), BROWSER)
    page = Elements(reply.body)
    assert reply.status == 503
    assert words in page.text
    assert "It said no" in page.text
    refreshing = [m["content"] for m in page.attributes("meta") if m.get("http-equiv") == "refresh"]
    assert refreshing == ([] if again_s is None else [str(again_s)])
    assert field(reply, b"Retry-After") == (None if again_s is None else str(again_s))
    assert page.attributes("a") == [{"href": CONSOLE}]


def test_every_status_has_its_words() -> None:
    assert set(BY_STATUS) == set(Status)


def test_a_download_shows_how_far_it_is() -> None:
    page = Elements(tell(stopped(Status.PULLING), BROWSER, HALFWAY).body)
    assert page.attributes("progress") == [
        {"value": str(512 * 1024**2), "max": str(1024**3), "aria-label": "Download"}
    ]
    assert "512 of 1024 MiB" in page.text
    layers = Elements(tell(stopped(Status.PULLING), BROWSER, PullProgress(3, 8)).body)
    assert "3 of 8 layers" in layers.text


@pytest.mark.parametrize(
    ("status", "title"),
    [(Status.STARTING, "waking up"), (Status.PENDING, "waiting"), (Status.PULLING, "downloaded")],
)
def test_one_that_wakes_up_says_what_takes_long(status: Status, title: str) -> None:
    waking = replace(stopped(status, "number 2 in line"), code="waking")
    page = Elements(tell(waking, BROWSER, HALFWAY).body)
    assert title in page.text
    assert "number 2 in line" in page.text
    assert bool(page.attributes("progress")) is (status is Status.PULLING)


@pytest.mark.parametrize("accept", [None, b"*/*", b"application/json"])
def test_a_program_gets_a_problem_with_the_reason_and_when_to_come_back(
    accept: bytes | None,
) -> None:
    reply = tell(stopped(Status.STARTING, "The model is loading"), accept)
    body = problem(reply)
    assert body["code"] == "not_running"
    assert body["detail"] == "my-ollama is starting: The model is loading"
    assert body["errorId"].startswith("err_")
    assert field(reply, b"Retry-After") == "2"


@pytest.mark.parametrize("code", BY_CODE)
@pytest.mark.parametrize("accept", [BROWSER, b"*/*"])
def test_every_trouble_of_the_door_is_told_to_both(code: str, accept: bytes) -> None:
    trouble = Trouble(404, code, "plain words", host="dep-a.box.local")
    reply = tell(trouble, accept)
    assert reply.status == 404
    if accept == BROWSER:
        assert BY_CODE[code].title.format(name="dep-a.box.local") in Elements(reply.body).text
    else:
        assert problem(reply)["detail"] == "plain words"


def test_a_refusal_without_words_of_its_own_is_told_by_its_message() -> None:
    trouble = Trouble(431, "head_too_large", "the head is too large", host="x")
    assert "the head is too large" in Elements(tell(trouble, BROWSER).body).text


def test_a_request_that_could_not_be_read_gets_a_problem() -> None:
    reply = FriendlyPages(CONSOLE, lambda _: None).tell(Trouble(400, "bad_request", "no"), None)
    assert problem(reply)["code"] == "bad_request"


def test_a_problem_is_in_the_log_by_its_id_without_what_was_asked(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level("INFO")
    trouble = Trouble(421, "misdirected", "this machine has another name", host="hush.example")
    body = problem(tell(trouble, b"*/*"))
    [told] = [vars(record) for record in caplog.records]
    assert (told["name"], told["levelname"]) == (PROBLEMS, "INFO")
    assert (told["errorId"], told["code"], told["status"]) == (body["errorId"], "misdirected", 421)
    assert "hush" not in str(told)


def test_a_401_says_how_to_come_in() -> None:
    reply = tell(Trouble(401, "not_authenticated", "private"), b"*/*")
    assert field(reply, b"WWW-Authenticate") == "Bearer"


@pytest.mark.parametrize(
    "trouble",
    [
        stopped(Status.FAILED, EVIL, EVIL),
        Trouble(404, "unknown_host", EVIL, host=EVIL),
        Trouble(400, "other", EVIL, host=EVIL),
    ],
)
def test_whatever_stands_in_a_name_or_a_reason_stays_text(trouble: Trouble) -> None:
    page = Elements(tell(trouble, BROWSER).body)
    assert not page.attributes("script")
    assert EVIL in page.text


def test_the_policy_allows_the_pages_own_style_and_nothing_else() -> None:
    reply = tell(stopped(Status.STOPPED), BROWSER)
    style = re.search(rb"<style>(.*?)</style>", reply.body, re.DOTALL)
    assert style is not None
    digest = base64.b64encode(hashlib.sha256(style[1]).digest()).decode()
    policy = field(reply, b"Content-Security-Policy") or ""
    assert policy.startswith(f"default-src 'none'; style-src 'sha256-{digest}'; ")
    assert "unsafe" not in policy
    assert b"style=" not in reply.body


def test_nothing_that_is_said_is_kept_or_guessed_at() -> None:
    for accept in (BROWSER, b"*/*"):
        reply = tell(stopped(Status.STARTING), accept)
        assert field(reply, b"Cache-Control") == "no-store"
        assert field(reply, b"X-Content-Type-Options") == "nosniff"
        assert field(reply, b"Vary") == "Accept"
