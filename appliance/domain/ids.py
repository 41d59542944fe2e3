"""Identifiers: a prefix that tells what it is, an underscore, twelve random characters.

Crockford's base 32 without look-alikes, lower case, so that an id can stand in a DNS label:
60 random bits, never reused.
"""

import secrets

ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"
LENGTH = 12


def new_id(prefix: str) -> str:
    """A fresh id such as ``dep_4k2v9xq0m7ab``."""
    return f"{prefix}_{''.join(secrets.choice(ALPHABET) for _ in range(LENGTH))}"
