"""The catalogue of templates: the package's files, then the owner's, which win by id."""

import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib.resources import files
from importlib.resources.abc import Traversable

from appliance.domain.errors import FieldError
from appliance.domain.template import Template
from appliance.engine.template_file import parse_template

PACKAGED_TEMPLATES = files("appliance") / "templates"


@dataclass(frozen=True, slots=True)
class Problem:
    """Why a file is not in the catalogue; ``field`` is empty where it is the file as a whole."""

    file: str
    field: str
    message: str

    def __str__(self) -> str:
        return ": ".join(part for part in (self.file, self.field, self.message) if part)


@dataclass(frozen=True, slots=True)
class Catalogue:
    """Templates by id. A file that can't be used is left out and told in ``problems``."""

    templates: Mapping[str, Template]
    problems: tuple[Problem, ...] = ()

    @classmethod
    def load(cls, package_dir: Traversable, owner_dir: Traversable | None) -> "Catalogue":
        """Reads every ``*.toml`` of both folders; the owner's need not exist.

        A bad file of the owner's leaves the packaged template of that id in place.
        """
        templates: dict[str, Template] = {}
        problems: list[Problem] = []
        for folder in (package_dir, owner_dir):
            for file in _toml_files(folder):
                template = _read(file)
                if isinstance(template, Template):
                    templates[template.id] = template
                else:
                    problems += (Problem(str(file), e.field, e.message) for e in template)
        return cls(dict(sorted(templates.items())), tuple(problems))

    def get(self, template_id: str) -> Template | None:
        """The template of that id, None if there is none."""
        return self.templates.get(template_id)

    def all(self) -> tuple[Template, ...]:
        """Every template, in the order of their ids."""
        return tuple(self.templates.values())


def _toml_files(folder: Traversable | None) -> Iterator[Traversable]:
    if folder is None or not folder.is_dir():
        return iter(())
    return iter(sorted((f for f in folder.iterdir() if f.name.endswith(".toml")), key=_name))


def _name(file: Traversable) -> str:
    return file.name


def _read(file: Traversable) -> Template | tuple[FieldError, ...]:
    try:
        document = tomllib.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        return (FieldError("", f"can't be read: {error.strerror}"),)
    except ValueError as error:  # not TOML, or not UTF-8
        return (FieldError("", f"is not TOML: {error}"),)
    template = parse_template(document)
    if isinstance(template, Template) and file.name != f"{template.id}.toml":
        return (FieldError("id", f"must be the file's name, not {template.id!r}"),)
    return template
