"""One appliance a data directory, and nobody else's eyes in it."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from appliance.domain.errors import Conflict


def prepare_data_dir(path: Path) -> None:
    """Makes the data directory, or closes it to others.

    Raises:
        OSError: it can't be made, or is somebody else's.
    """
    os.umask(0o077)
    path.mkdir(parents=True, exist_ok=True)
    path.chmod(0o700)


@contextmanager
def held(lock: Path) -> Iterator[None]:
    """Holds the data directory by flock(2): the kernel lets go of it however we end.

    Raises:
        Conflict: another appliance holds it.
    """
    with lock.open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise Conflict(f"an appliance is running with {lock.parent}") from error
        yield
