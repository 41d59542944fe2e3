"""Who is calling: users, passwords, tokens; what they may do is ``domain/permissions``.

A login session and an API token are the same thing, ``nn_<id>_<secret>``, told apart by ``kind``.
Only its SHA-256 is kept: the secret is random in full, so a fast hash is the right one, while
passwords get argon2id in worker threads. Verified tokens are remembered in this process, which
is the only writer: whoever takes a right away here also forgets it here.
"""
