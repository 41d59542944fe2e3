"""The head of a request, read strictly."""

from dataclasses import dataclass, field

Fields = list[tuple[bytes, bytes]]


@dataclass(slots=True)
class Head:
    """A request's head as it came, checked: every later look finds the same.

    ``target`` is in origin form (``/path?query``) or ``*``. ``host`` is the Host field's name in
    lower case without the port. ``fields`` keep their order and spelling.
    """

    method: bytes
    target: bytes
    version: bytes
    host: str
    fields: Fields = field(default_factory=list)

    def get(self, name: bytes) -> bytes | None:
        """The first field of that name (lower case)."""
        return next((v for n, v in self.fields if n.lower() == name), None)

    def all(self, name: bytes) -> list[bytes]:
        """Every field of that name (lower case), in order."""
        return [v for n, v in self.fields if n.lower() == name]
