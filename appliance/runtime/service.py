"""Podman's API service as a supervised child, where no other one is named.

It is only ever ended by SIGTERM: killed in the middle of a start it leaves containers that can
never start again, and network namespaces that nobody removes (measured: 13 of 30). Containers
outlive it, and us. When we are killed the kernel sends it SIGTERM (``setpriv --pdeathsig``).
"""

import logging
import os
import secrets
import shutil
import signal
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import anyio

from appliance.runtime.home import PodmanHome

FIRST_WAIT_S = 0.5
LONGEST_WAIT_S = 30.0
STEADY_S = 60.0
STOP_S = 10.0
BETWEEN_LOOKS_S = 0.02
SERVICE_UMASK = 0o022
LAST_WORDS_BYTES = 2000

log = logging.getLogger(__name__)


class PodmanService:
    """Runs ``podman system service`` for as long as ``run`` does.

    The socket has a name of its own for every start of ours: a service orphaned by a crash removes
    its socket when it ends, and must not remove ours.

    Args:
        home: prepared, its containers.conf written.
        environ: what the service inherits, beside what ``home`` adds.
    """

    def __init__(self, home: PodmanHome, environ: Mapping[str, str]) -> None:
        self._home = home
        self._environ = environ
        self._socket = home.directory / f"{secrets.token_hex(3)}.sock"
        self.ready = anyio.Event()
        """Set once the first service listens."""
        self.problem: str | None = None
        """The last words of a service that ended, None while one runs."""

    @property
    def url(self) -> str:
        """Where it listens, now or as soon as it does."""
        return f"unix://{self._socket}"

    async def run(self) -> None:
        """Keeps one service running until it is cancelled, then ends it.

        One that ends by itself is started again, after 0.5 s and then ever later, up to 30 s.
        """
        self._sweep_sockets()
        wait_s = FIRST_WAIT_S
        while True:
            started = anyio.current_time()
            await self._run_once()
            if anyio.current_time() - started > STEADY_S:
                wait_s = FIRST_WAIT_S
            log.warning("Podman's service ended, next start in %g s: %s", wait_s, self.problem)
            await anyio.sleep(wait_s)
            wait_s = min(2 * wait_s, LONGEST_WAIT_S)

    async def _run_once(self) -> None:
        self._socket.unlink(missing_ok=True)
        try:
            child = self._spawn()
        except OSError as error:
            self.problem = str(error)
            return
        with _exit_of(child) as handle:
            try:
                await self._wait_for_socket(child)
                await anyio.wait_readable(handle)
            finally:
                with anyio.CancelScope(shield=True):
                    await _end(child, handle)
        self.problem = self._last_words() or f"it ended with code {child.returncode}"

    def _spawn(self) -> "subprocess.Popen[bytes]":
        """Starts it, on this thread.

        The kernel's signal at our death comes when the *thread* that started the child ends
        (prctl(2), PR_SET_PDEATHSIG), so a worker thread must not do it.
        """
        command = ["podman", *self._home.arguments(), "system", "service", "--time=0", self.url]
        if shutil.which("setpriv", path=self._environ.get("PATH")):
            command = ["setpriv", "--pdeathsig", "TERM", "--", *command]
        with self._words.open("wb") as words:
            child = subprocess.Popen(  # noqa: S603 - our own arguments, no shell
                command,
                cwd=self._home.directory,  # conmon 2.1.6 leaves a file named oom where it stands
                env=self._home.environment(self._environ),
                stdin=subprocess.DEVNULL,
                stdout=words,
                stderr=words,
                start_new_session=True,
                umask=SERVICE_UMASK,
            )
        self.problem = None
        return child

    async def _wait_for_socket(self, child: "subprocess.Popen[bytes]") -> None:
        while child.poll() is None and not self._socket.exists():  # noqa: ASYNC110 - its file
            await anyio.sleep(BETWEEN_LOOKS_S)
        if self._socket.exists():
            self._socket.chmod(0o600)
            self.ready.set()

    def _sweep_sockets(self) -> None:
        """Removes what killed services have left; nobody of ours listens there any more."""
        for left in self._home.directory.glob("*.sock"):
            left.unlink(missing_ok=True)

    @property
    def _words(self) -> Path:
        return self._home.directory / "service.log"

    def _last_words(self) -> str:
        try:
            said = self._words.read_bytes()[-LAST_WORDS_BYTES:]
        except OSError:
            return ""
        return said.decode(errors="replace").strip()


@contextmanager
def _exit_of(child: "subprocess.Popen[bytes]") -> Iterator[int]:
    """A descriptor that becomes readable when the child ends (pidfd_open(2))."""
    handle = os.pidfd_open(child.pid)
    try:
        yield handle
    finally:
        os.close(handle)


async def _end(child: "subprocess.Popen[bytes]", handle: int) -> None:
    """SIGTERM, and a while for what is under way; never more than that."""
    if child.poll() is not None:
        return
    child.send_signal(signal.SIGTERM)
    with anyio.move_on_after(STOP_S):
        await anyio.wait_readable(handle)
    if child.poll() is None:
        log.error("Podman's service (pid %d) does not end; it is left to itself", child.pid)
