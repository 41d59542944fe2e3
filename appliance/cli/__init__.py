"""The command line. It speaks HTTP to the running appliance, as any other client does.

On the machine itself over ``<data directory>/control.sock``: being able to open that socket is
the right, so there is no login. Elsewhere over ``--url`` with the token of ``APPLIANCE_TOKEN``.
Only ``serve``, ``doctor`` and ``restore`` work in their own process (``machine.py``).

``remote.py`` is the one that speaks and ``exits.py`` says how a command ends; ``values.py`` reads
what was typed, ``output.py`` and ``progress.py`` write; the rest are the commands by their noun.
"""

import sys


def main() -> None:
    """The ``appliance`` command."""
    from appliance.cli.app import run  # noqa: PLC0415 - an import of the package costs nothing

    sys.exit(run())
