"""A backup put in place by hand, while the appliance does not run."""

from dataclasses import dataclass
from pathlib import Path

from appliance.config import Settings
from appliance.diagnosis import podman_command
from appliance.domain.errors import StoreUnusable
from appliance.engine.backups import left_behind
from appliance.host.instance import held, prepare_data_dir
from appliance.store import backup


@dataclass(frozen=True, slots=True)
class Restored:
    """Where the old data is kept, if there was any, and what is to be known of what it ran."""

    old: Path | None
    warning: str | None


def restore(settings: Settings, file: Path) -> Restored:
    """Puts a backup in place of the data.

    Raises:
        Conflict: the appliance runs.
        StoreFailure, OSError: the file is no backup, or it can't be done now; the old data is in
            force.
    """
    prepare_data_dir(settings.data_dir)
    with held(settings.lock):
        old = backup.restore(file, settings.database)
        before = None if old is None else _instance(old)
        if before is None or before == _instance(settings.database):
            return Restored(old, None)
        return Restored(old, left_behind(before, podman_command(settings)))


def _instance(database: Path) -> str | None:
    """What the names of its containers begin with; None where that can't be told."""
    try:
        return backup.check(database).instance
    except StoreUnusable:
        return None
