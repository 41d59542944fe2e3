"""Every error the appliance names, as one tree; each leaf has a stable ``code`` (see the README).

ApplianceError
├── InvalidRequest          wrong fields, all of them at once
├── MalformedRequest        not JSON, or not what the content type says
├── NotAuthenticated        no token, or one that is not (or no longer) valid
├── NotPermitted            known, but not allowed
├── NotFound                no such thing, or not yours
├── Conflict
│   ├── NameTaken           the host name or e-mail is in use
│   ├── IdempotencyMismatch the same key came with another body
│   ├── StaleVersion        the row moved on since it was read (never leaves the engine)
│   └── LimitReached        the node's or the user's limit is reached
├── RateLimited             too many tries, wait ``retry_after_s``
├── RuntimeFailure          a container verb did not work; ``retryable`` says if time may help
│   ├── RuntimeUnavailable  Podman does not answer
│   ├── RuntimeTimeout      Podman did not answer in time: the outcome is unknown
│   ├── NoSuchContainer
│   ├── NameInUse           that container name exists already
│   ├── InterfacesMoved     network interfaces came or went meanwhile: nothing was done
│   ├── PortTaken           the published port was taken by somebody else
│   ├── ContainerWedged     Podman can't start or stop this container ever again
│   ├── StartRefused        the container can't start as specified (command, device, user …)
│   │   └── NoCommand       there is no command to start
│   ├── NotWoken            it may yet do what it was told of its GPU memory before
│   ├── GpuMissing          it started, but a GPU it was promised is not inside
│   └── ImageFailure        image_not_found, registry_unauthorized, registry_unreachable,
│                           pull_stalled, pull_timeout, pull_failed
└── StoreFailure
    ├── StoreBusy           somebody else holds the database
    ├── StoreFull           no space left
    └── StoreUnusable       the file is damaged, foreign, or newer than this version
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class FieldError:
    """One wrong field: its path in the request (``ports.0.port``) and what it may be."""

    field: str
    message: str


class ApplianceError(Exception):
    """The root. ``str(error)`` is a sentence a person can act on; it never holds a secret.

    ``errors`` are the fields of the request that it is about, where it is about some.
    """

    code = "internal"
    retryable = False
    errors: tuple[FieldError, ...] = ()


class InvalidRequest(ApplianceError):
    """Fields are wrong; carries every one of them."""

    code = "invalid_request"

    def __init__(self, *errors: FieldError) -> None:
        super().__init__("; ".join(f"{e.field}: {e.message}" for e in errors))
        self.errors = errors


def refuse(wrong: Iterable[FieldError]) -> None:
    """Lets a request pass with which nothing is wrong.

    Raises:
        InvalidRequest: with all of ``wrong``, if there is any.
    """
    errors = tuple(wrong)
    if errors:
        raise InvalidRequest(*errors)


@contextmanager
def beside(wrong: Iterable[FieldError]) -> Iterator[None]:
    """``refuse(wrong)``, together with what is refused inside.

    Raises:
        InvalidRequest: with all of both.
    """
    try:
        yield
    except InvalidRequest as error:
        raise InvalidRequest(*wrong, *error.errors) from error
    refuse(wrong)


class MalformedRequest(ApplianceError):
    """The body can't be read as what it claims to be."""

    code = "malformed_request"


class NotAuthenticated(ApplianceError):
    """No valid token."""

    code = "not_authenticated"


class NotPermitted(ApplianceError):
    """The caller is known but may not do this."""

    code = "not_permitted"


class NotFound(ApplianceError):
    """No such thing, or one that the caller may not know of."""

    code = "not_found"


class Conflict(ApplianceError):
    """The request is right in itself but not with what is there."""

    code = "conflict"


class NameTaken(Conflict):
    """The name is in use by something that is not deleted."""

    code = "name_taken"


class IdempotencyMismatch(Conflict):
    """The same ``Idempotency-Key`` came with another body."""

    code = "idempotency_mismatch"


class StaleVersion(Conflict):
    """The row has moved on since it was read; drop the result and look again."""

    code = "stale_version"


class LimitReached(Conflict):
    """A limit that the owner of the machine has set is reached, by ``field`` if one did it."""

    code = "limit_reached"

    def __init__(self, message: str, *, field: str | None = None) -> None:
        super().__init__(message)
        if field is not None:
            self.errors = (FieldError(field, message),)


class RateLimited(ApplianceError):
    """Too many tries; ``retry_after_s`` says when the next may succeed."""

    code = "rate_limited"

    def __init__(self, message: str, *, retry_after_s: int) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class RuntimeFailure(ApplianceError):
    """A container verb failed for a reason that no more special class names."""

    code = "runtime_error"
    retryable = True


class RuntimeUnavailable(RuntimeFailure):
    """Podman's service does not answer: stopped, hung or never there."""

    code = "runtime_unavailable"


class RuntimeTimeout(RuntimeFailure):
    """No answer within the verb's deadline. The effect may still land: look again by name."""

    code = "runtime_timeout"


class NoSuchContainer(RuntimeFailure):
    """No container has that name."""

    code = "no_such_container"


class NameInUse(RuntimeFailure):
    """A container of that name exists already."""

    code = "name_in_use"


class InterfacesMoved(RuntimeFailure):
    """Network interfaces came or went while Podman read them; it did nothing, so ask again."""

    code = "interfaces_moved"


class PortTaken(RuntimeFailure):
    """The host port chosen at create was taken meanwhile; a new container gets another."""

    code = "port_taken"


class ContainerWedged(RuntimeFailure):
    """Podman can neither start nor stop this container any more; only removal helps."""

    code = "container_wedged"


class StartRefused(RuntimeFailure):
    """The container can't start as it is specified; trying again changes nothing."""

    code = "start_refused"
    retryable = False


class NoCommand(StartRefused):
    """There is nothing to run: neither the image nor the deployment says a command."""

    code = "no_command"

    def __init__(self) -> None:
        super().__init__("The image has no command of its own: say one in `command`.")


class NotWoken(RuntimeFailure):
    """What a process was told of its GPU memory may yet be done: it is told nothing more."""

    code = "not_woken"
    retryable = False


class GpuMissing(RuntimeFailure):
    """The container started without a device that its GPU's CDI spec promises."""

    code = "gpu_missing"
    retryable = False


class ImageFailure(RuntimeFailure):
    """The image can't be had; ``code`` says why and ``retryable`` whether time may help."""

    RETRYABLE = frozenset({"registry_unreachable", "pull_stalled", "pull_timeout", "pull_failed"})

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.retryable = code in self.RETRYABLE


class StoreFailure(ApplianceError):
    """The database can't serve now."""

    code = "store_error"


class StoreBusy(StoreFailure):
    """Another process holds the database for longer than we wait."""

    code = "store_busy"
    retryable = True


class StoreFull(StoreFailure):
    """No space left for the database."""

    code = "store_full"
    retryable = True


class StoreUnusable(StoreFailure):
    """The database file is damaged, foreign, or written by a newer version."""

    code = "store_unusable"
