"""What is said when there is nothing to relay to: a page for people, problem+json for programs."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http import HTTPStatus

from appliance import page, problem
from appliance.domain.deployment import Status
from appliance.engine.addresses import Address
from appliance.ingress.head import Head
from appliance.ingress.seams import Reply, Trouble
from appliance.runtime.port import PullProgress

Progress = Callable[[str], PullProgress | None]
"""How far the download of an image is."""

SECURITY = ((b"X-Content-Type-Options", b"nosniff"), (b"Cache-Control", b"no-store"))
PAGE = (*((name.encode(), value.encode()) for name, value in page.HEADERS.items()), *SECURITY)
PROBLEM = ((b"Content-Type", b"application/problem+json"), *SECURITY)
MIB = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Words:
    """How one trouble is told. ``{name}`` is the deployment, or the host where there is none.

    ``sign`` is the colour of the dot (``busy``, ``bad``, ``idle``); the page loads itself again
    after ``again_s``, and programs are told to wait as long. ``aside`` says what can be done.
    """

    title: str
    aside: str = ""
    sign: str = "idle"
    again_s: int | None = None


AT_THE_CONSOLE = "Whoever looks after this machine can start it at the console."

BY_STATUS: Mapping[Status, Words] = {
    Status.PENDING: Words("{name} is waiting", sign="busy", again_s=5),
    Status.PULLING: Words("{name} is being downloaded", sign="busy", again_s=3),
    Status.STARTING: Words("{name} is starting", sign="busy", again_s=2),
    Status.RUNNING: Words("{name} is starting", sign="busy", again_s=2),
    Status.STOPPING: Words("{name} is being stopped", sign="busy", again_s=5),
    Status.STOPPED: Words("{name} is stopped", AT_THE_CONSOLE),
    Status.SLEEPING: Words("{name} is asleep", "It wakes up when it is asked for.", again_s=5),
    Status.FAILED: Words("{name} has failed", AT_THE_CONSOLE, sign="bad"),
}
"""What a deployment does instead of running."""

BY_CODE: Mapping[str, Words] = {
    "unknown_host": Words(
        "Nothing is at {name}", "It may have been deleted, or there is a typing mistake in it."
    ),
    "misdirected": Words("{name} is not here", "This machine does not go by that name."),
    "no_such_port": Words("{name} has no web page here", "It offers no HTTP on that port."),
    "no_such_path": Words("{name} has no page here", "It is not open at this address."),
    "not_authenticated": Words(
        "{name} is private",
        "Open it from the console of this machine. Programs send its access token, or an API "
        "token, as Authorization: Bearer.",
    ),
    "ticket_used": Words(
        "This link has been used",
        "It opens the door once, for half a minute. Open {name} from the console again.",
    ),
    "unreachable": Words(
        "{name} does not answer",
        "It runs, but takes no connections. It may still be getting ready.",
        sign="bad",
        again_s=5,
    ),
    "broke_off": Words("{name} hung up", "It closed the connection halfway.", sign="bad"),
    "bad_answer": Words("{name} gave no proper answer", "What came is not HTTP.", sign="bad"),
    "waking": Words(
        "{name} is waking up",
        "It sleeps while nobody uses it. It will be here in a moment.",
        sign="busy",
        again_s=2,
    ),
    "paused": Words("{name} is paused", "Somebody has frozen it with Podman."),
}


class FriendlyPages:
    """Says it in words. ``console`` is the URL of the console, where things can be done."""

    def __init__(self, console: str, progress: Progress) -> None:
        self._console = console
        self._progress = progress

    def tell(self, trouble: Trouble, head: Head | None) -> Reply:
        """The answer: for people where the request accepts HTML, else for programs."""
        words = words_for(trouble)
        more = _more_fields(trouble, words)
        if head is not None and accepts_html(head):
            return Reply(trouble.status, (*PAGE, *more), self._page(trouble, words))
        return Reply(trouble.status, (*PROBLEM, *more), _problem(trouble))

    def _page(self, trouble: Trouble, words: Words) -> bytes:
        title = words.title.format(name=_name(trouble))
        parts = [
            page.fill('<span class="sign {sign}"></span>\n<h1>{title}</h1>', sign=words.sign,
                      title=title),
            *self._body(trouble, words),
            page.fill('<footer>{status} · <a href="{url}">Console</a></footer>',
                      status=f"{trouble.status} {HTTPStatus(trouble.status).phrase}",
                      url=self._console),
        ]  # fmt: skip
        return page.document(title, "\n".join(parts), refresh_s=words.again_s)

    def _body(self, trouble: Trouble, words: Words) -> list[str]:
        address, parts = trouble.address, []
        if words is UNSPOKEN:
            parts.append(page.fill('<p class="soft">{text}</p>', text=trouble.message))
        if address is not None and trouble.code in TELLS_WHY:
            parts += self._circumstances(address)
        if words.aside:
            parts.append(
                page.fill(
                    '<p class="soft">{text}</p>', text=words.aside.format(name=_name(trouble))
                )
            )
        if words.again_s is not None:
            parts.append('<p class="soft">This page looks again by itself.</p>')
        return parts

    def _circumstances(self, address: Address) -> list[str]:
        parts = []
        if address.reason is not None:
            parts.append(page.fill("<blockquote>{text}</blockquote>", text=address.reason.message))
        pull = self._progress(address.image)
        if address.status is Status.PULLING and pull is not None:
            parts.append(_progress_bar(pull))
        return parts


TELLS_WHY = frozenset({"not_running", "waking"})
"""Troubles that the deployment's own reason explains."""

LONG = frozenset({Status.PENDING, Status.PULLING})
"""What may take so long on the way to being awake that it is said instead."""

UNSPOKEN = Words("That did not work", sign="bad")
"""For refusals that a browser does not meet; the message says it all."""


def words_for(trouble: Trouble) -> Words:
    """How ``trouble`` is told."""
    address = trouble.address
    if address is not None and (
        trouble.code == "not_running" or (trouble.code == "waking" and address.status in LONG)
    ):
        return BY_STATUS[address.status]
    return BY_CODE.get(trouble.code, UNSPOKEN)


def accepts_html(head: Head) -> bool:
    """Whether a person's browser asks, by its Accept field; programs say ``*/*`` or JSON."""
    return any(b"text/html" in value.lower() for value in head.all(b"accept"))


def _name(trouble: Trouble) -> str:
    return trouble.host if trouble.address is None else trouble.address.name


def _more_fields(trouble: Trouble, words: Words) -> tuple[tuple[bytes, bytes], ...]:
    fields = [(b"Vary", b"Accept")]
    wait_s = trouble.retry_after_s or words.again_s
    if wait_s is not None and trouble.status == HTTPStatus.SERVICE_UNAVAILABLE:
        fields.append((b"Retry-After", b"%d" % wait_s))
    if trouble.status == HTTPStatus.UNAUTHORIZED:
        fields.append((b"WWW-Authenticate", b"Bearer"))
    return tuple(fields)


def _problem(trouble: Trouble) -> bytes:
    address = trouble.address
    reason = None if address is None or trouble.code not in TELLS_WHY else address.reason
    detail = trouble.message if reason is None else f"{trouble.message}: {reason.message}"
    return problem.document(trouble.status, trouble.code, detail)


def _progress_bar(pull: PullProgress) -> str:
    if pull.bytes_total:
        done, total = pull.bytes_done or 0, pull.bytes_total
        text = f"{done // MIB} of {total // MIB} MiB"
    else:
        done, total = pull.layers_done, pull.layers_total
        text = f"{done} of {total} layers"
    bar = '<progress value="{done}" max="{total}" aria-label="Download">{text}</progress>'
    return page.fill(bar + '\n<p class="soft">{text}</p>', done=done, total=total, text=text)
