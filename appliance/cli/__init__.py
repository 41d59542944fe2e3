"""The command line. It speaks HTTP to the running appliance, as any other client does.

On the machine itself over ``<data directory>/control.sock``: being able to open that socket is
the right, so there is no login. Elsewhere over ``--url`` with the token of ``APPLIANCE_TOKEN``.
Only ``serve``, ``doctor`` and ``restore`` work in their own process (``serving.py``,
``machine.py``).

``remote.py`` is the one that speaks and ``exits.py`` says how a command ends; ``values.py`` reads
what was typed, ``output.py``, ``tables.py`` and ``progress.py`` write, ``frame.py`` holds it
together; the rest are the commands by their noun.
"""

import sys


def main() -> None:
    """The ``appliance`` command."""
    if sys.argv[1:2] == ["serve"]:
        # httpx and podman-py load it where it is installed, for bars that a server never draws.
        # As if it were not they do without, and the appliance is 3 MiB smaller for its whole life.
        sys.modules["rich"] = None  # type: ignore[assignment] # "not there" (importlib's own word)
        from appliance.cli.serving import build  # noqa: PLC0415 - with what it needs alone
    else:
        from appliance.cli.app import build  # noqa: PLC0415 - an import of the package costs nothing
    from appliance.cli.frame import run  # noqa: PLC0415 - with what is chosen above

    sys.exit(run(build()))
