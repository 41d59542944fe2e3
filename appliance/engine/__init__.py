"""Use cases and the reconciler; knows no HTTP.

An order (``deployments.py``) is one transaction: row, event, idempotency record; then a nudge. The
``reconciler`` sees to it that each deployment in need of attention has exactly one ``driver``,
which loads the row, looks at Podman, asks ``plan()`` for one step, takes it with no transaction
open, and writes the result only if the row is still the one it read. Whatever happens in
between, the next look starts from what is.
"""
