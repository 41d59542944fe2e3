"""Reads CDI specs: which devices a container can be given here, and where they appear in it.

Podman reads the same files at every start of a container, but tells of a name that nobody knows
only then; so names are looked up here first. What counts: ``*.json`` and ``*.yaml`` directly in
the folders, of which a later one wins; a name given twice by one folder is nobody's, and a file
that can't be used is as if it were not there (github.com/cncf-tags/container-device-interface,
SPEC.md and the cache of its Go package, which Podman uses).
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

SUFFIXES = frozenset({".json", ".yaml"})
CSafeLoader: type[Any] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


@dataclass(frozen=True, slots=True)
class CdiDevice:
    """A device by its full name; its nodes as the container sees them, and as they are here."""

    name: str
    paths: tuple[str, ...]
    host_paths: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class CdiRegistry:
    """Every device that can be given, and why some files or names can't be used."""

    devices: Mapping[str, CdiDevice] = field(default_factory=dict)
    files: tuple[Path, ...] = ()
    faults: tuple[str, ...] = ()


def read_registry(folders: Sequence[Path]) -> CdiRegistry:
    """What the specs in ``folders`` say; later folders win."""
    devices: dict[str, CdiDevice] = {}
    files: list[Path] = []
    faults: list[str] = []
    for folder in folders:
        found: dict[str, CdiDevice] = {}
        doubles: set[str] = set()
        for file in _spec_files(folder):
            files.append(file)
            for device in _read(file, faults):
                (doubles if device.name in found else set()).add(device.name)
                found[device.name] = device
        faults += [f"{name} stands in two files of {folder}" for name in sorted(doubles)]
        devices = {n: d for n, d in {**devices, **found}.items() if n not in doubles}
    return CdiRegistry(devices, tuple(files), tuple(faults))


def _spec_files(folder: Path) -> list[Path]:
    try:
        return sorted(f for f in folder.iterdir() if f.suffix in SUFFIXES)
    except OSError:
        return []


def _read(file: Path, faults: list[str]) -> list[CdiDevice]:
    try:
        return list(_devices(_load(file)))
    except OSError as error:
        faults.append(f"{file} can't be read: {error.strerror}")
    except (ValueError, TypeError, KeyError, AttributeError, yaml.YAMLError) as error:
        faults.append(f"{file} is no CDI spec: {error!r}")
    return []


def _load(file: Path) -> Any:  # noqa: ANN401 - whatever stands in the file
    text = file.read_text(encoding="utf-8")
    if file.suffix == ".json":
        return json.loads(text)
    return yaml.load(text, Loader=CSafeLoader)  # noqa: S506 - it is the safe one, in C


def _devices(spec: Mapping[str, Any]) -> Iterator[CdiDevice]:
    kind = spec["kind"]
    if not isinstance(kind, str) or "/" not in kind or not spec.get("cdiVersion"):
        raise ValueError("kind or cdiVersion is missing")
    for device in spec["devices"]:
        nodes = [*_nodes(device), *_nodes(spec)]
        inside = dict.fromkeys(str(node["path"]) for node in nodes)
        here = dict.fromkeys(str(node.get("hostPath") or node["path"]) for node in nodes)
        yield CdiDevice(f"{kind}={device['name']}", tuple(inside), tuple(here))


def _nodes(owner: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    edits = owner.get("containerEdits") or {}
    return list(edits.get("deviceNodes") or ())
