"""What a caller wants changed about a deployment, and the spec that makes of it."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from appliance.domain.deployment import Spec
from appliance.domain.errors import FieldError, InvalidRequest, refuse
from appliance.domain.image import complete
from appliance.domain.merge import (
    ill_sized,
    misdirected,
    missing,
    raw,
    sized,
    still_asked,
    template_env,
    template_parameters,
    timed,
)
from appliance.domain.template import Template


@dataclass(frozen=True, slots=True)
class Change:
    """The body of ``PATCH /deployments/:id``, right in shape.

    ``fields`` holds fields of ``Spec`` by name, each whole; ``resources`` as ``SaidResources``,
    what they leave out is the template's. ``secrets`` are set one by one, None takes one away:
    who changes one can't know the others.
    """

    name: str | None = None
    fields: Mapping[str, Any] = field(default_factory=dict)
    secrets: Mapping[str, str | None] = field(default_factory=dict)


def changed(spec: Spec, change: Change, template: Template | None) -> Spec:
    """``spec`` with what ``change`` says; ``template`` is the one it was made from, if any.

    Raises:
        InvalidRequest: with every wrong field.
    """
    fields = dict(change.fields)
    if "image" in fields:
        fields["image"] = _complete(fields["image"])
    if "resources" in fields:
        fields["resources"] = sized(fields["resources"], template)
    if template is not None and "health" in fields:
        fields["health"] = timed(fields["health"], template)
    after = replace(spec, **fields, secret_names=_secret_names(spec, change))
    if template is not None and _variables(change):
        after = replace(
            after,
            base_env=template_env(template, after.secret_names),
            parameters=template_parameters(template, after.env),
            paths=template.paths,  # it is the variables that open more than these
        )
    if template is not None and "ports" in fields and after.health == template.health:
        after = replace(after, health=still_asked(after.health, after.ports))
    refuse(_wrong(after, change, template))
    return after


def needs_new_container(before: Spec, after: Spec) -> bool:
    """Whether they differ in more than what the appliance itself does with a container."""
    return outside_of(after, before) != after


def outside_of(after: Spec, spec: Spec) -> Spec:
    """``spec`` with that part of ``after`` that counts at once."""
    return replace(
        spec,
        access=after.access,
        hostname=after.hostname,
        restart_policy=after.restart_policy,
        idle_timeout_minutes=after.idle_timeout_minutes,
        evictable=after.evictable,
    )


def _variables(change: Change) -> bool:
    return "env" in change.fields or bool(change.secrets)


def _wrong(after: Spec, change: Change, template: Template | None) -> Iterator[FieldError]:
    """What was wrong before and is not touched is not held against the change."""
    twice = sorted(after.env.keys() & set(after.secret_names))
    if twice:
        yield FieldError("env", f"{', '.join(twice)} is also among the secrets")
    if template is not None and _variables(change):
        yield from missing(template, {*after.env, *after.secret_names})
    if "resources" in change.fields:
        yield from ill_sized(after.resources, template)
    if change.fields.keys() & {"health", "ports"}:
        yield from misdirected(after.health, after.ports)
    yield from raw(after.ports, after.paths)


def _secret_names(spec: Spec, change: Change) -> tuple[str, ...]:
    gone = {name for name, value in change.secrets.items() if value is None}
    return tuple(sorted({*spec.secret_names, *change.secrets} - gone))


def _complete(reference: str) -> str:
    try:
        return complete(reference)
    except ValueError as error:
        raise InvalidRequest(FieldError("image", str(error))) from error
