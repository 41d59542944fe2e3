"""The only SQLite: one file, one writer, two readers.

``database.py`` opens it and owns the transaction; ``migrate.py`` brings it to this version; one
module a noun holds SQL constants beside the function that maps their rows. Every write of the
engine is one ``transaction()``; synchronous=FULL, because what the API has acknowledged must be
on the disk. The single writer is also the only connection that checkpoints, so SQLite's WAL-reset
bug (3.7.0 to 3.51.2) has no second party.

``deployment.shown``, the status callers see, is a generated column: the API's order and the
reconciler's status are written by different hands, and the one rule that joins them has to be
where lists filter and count by it.
"""
