"""A caller's order and a template, made into one complete spec; every wrong field at once."""

import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import replace
from itertools import chain

from appliance.domain.deployment import (
    START_PERIOD_S,
    Access,
    HealthCheck,
    Parameter,
    Port,
    Protocol,
    Resources,
    RestartPolicy,
    Spec,
)
from appliance.domain.errors import FieldError, InvalidRequest, refuse
from appliance.domain.image import complete
from appliance.domain.order import Order, SaidResources
from appliance.domain.template import Template

NAME_STEM_LENGTH = 40


def spec_from_template(order: Order, template: Template) -> Spec:
    """The spec of a template's deployment: what the order says, else what the template says.

    Raises:
        InvalidRequest: the template needs a variable or a GPU that the order does not bring, or
            the order asks for raw ports where not every path is open, or for a health check of a
            port that is none of its own.
    """
    resources = sized(order.resources, template)
    ports = order.ports if order.ports is not None else template.ports
    refuse(
        chain(
            missing(template, {*order.env, *order.secrets}),
            ill_sized(resources, template),
            raw(order.ports, template.paths),
            misdirected(order.health, ports),
        )
    )
    return Spec(
        image=template.image,
        template_id=template.id,
        command=order.command if order.command is not None else template.command,
        env=order.env,
        base_env=template_env(template, order.secrets),
        secret_names=tuple(sorted(order.secrets)),
        ports=ports,
        volumes=order.volumes if order.volumes is not None else template.volumes,
        resources=resources,
        access=order.access or template.access,
        hostname=order.hostname,
        health=timed(order.health, template) or still_asked(template.health, ports),
        restart_policy=order.restart_policy or RestartPolicy.ON_FAILURE,
        parameters=template_parameters(template, order.env),
        idle_timeout_minutes=(
            order.idle_timeout.minutes if order.idle_timeout else template.idle_timeout_minutes
        ),
        evictable=order.evictable,
        paths=template.paths,
    )


def spec_from_image(order: Order, reference: str) -> Spec:
    """The spec of a custom image's deployment.

    Raises:
        InvalidRequest: the reference is none, the GPUs it asks for are none, or a health check
            asks a port that is none of its own.
    """
    try:
        image = complete(reference)
    except ValueError as error:
        raise InvalidRequest(FieldError("customImage", str(error))) from error
    resources = sized(order.resources, None)
    refuse(chain(ill_sized(resources, None), misdirected(order.health, order.ports)))
    return Spec(
        image=image,
        command=order.command,
        env=order.env,
        secret_names=tuple(sorted(order.secrets)),
        ports=order.ports,
        volumes=order.volumes or (),
        resources=resources,
        access=order.access or Access.PUBLIC,
        hostname=order.hostname,
        health=order.health,
        restart_policy=order.restart_policy or RestartPolicy.ON_FAILURE,
        idle_timeout_minutes=order.idle_timeout.minutes if order.idle_timeout else None,
        evictable=order.evictable,
    )


def default_name(spec: Spec) -> str:
    """A readable name for a deployment that was given none: the template's, or the image's."""
    if spec.template_id is not None:
        return spec.template_id
    last = spec.image.split("@")[0].rsplit("/", 1)[-1].split(":")[0]
    return re.sub(r"[^a-z0-9-]+", "-", last.lower()).strip("-")[:NAME_STEM_LENGTH] or "deployment"


def timed(health: HealthCheck | None, template: Template) -> HealthCheck | None:
    """Who says what to ask, but not how long it may take to come up, has the template's time."""
    if health is None or template.health is None or health.start_period_s != START_PERIOD_S:
        return health
    return replace(health, start_period_s=template.health.start_period_s)


def still_asked(health: HealthCheck | None, ports: Iterable[Port] | None) -> HealthCheck | None:
    """A template's check, unless it asks a port that the deployment has not: who would answer?"""
    return None if any(misdirected(health, ports)) else health


def misdirected(health: HealthCheck | None, ports: Iterable[Port] | None) -> Iterator[FieldError]:
    """A check of a port that is not there; of ports that only the image knows nothing is said."""
    if health is None or ports is None:
        return
    numbers = [p.port for p in ports]
    if not numbers:
        yield FieldError("health", "asks a port, and there are none in ports")
    elif health.port not in (None, *numbers):
        yield FieldError("health.port", f"must be one of the ports: {', '.join(map(str, numbers))}")


def sized(said: SaidResources, template: Template | None) -> Resources:
    """What was said, over what the template says, field by field.

    Whoever asks for a GPU and names no size gets one that the template can work with.
    """
    if template is None:
        return Resources(**said)
    chosen = replace(template.resources, **said)
    if chosen.min_vram_mb is None and chosen.gpu_need is not None:
        return replace(chosen, min_vram_mb=template.gpu.min_vram_mb)
    return chosen


def ill_sized(chosen: Resources, template: Template | None) -> Iterator[FieldError]:
    """Of a GPU that the template can't do without, or that is spoken of and not there."""
    if not chosen.exclusive and chosen.vram_mb is None:
        yield FieldError("resources.vramMb", "vramMb is required where exclusive is false")
    if chosen.gpu_need is not None:
        return
    if template is not None and template.gpu.required:
        words = f"at least 1 is required by the template {template.id}"
        yield FieldError("resources.gpus", words)
    elif chosen.min_vram_mb or chosen.vram_mb or not chosen.exclusive:
        words = "gpus is required where minVramMb, vramMb or exclusive is given"
        yield FieldError("resources.gpus", words)


def missing(template: Template, given: Collection[str]) -> Iterator[FieldError]:
    """Every variable the template can't do without and that is not ``given`` (env or secret)."""
    for v in template.env:
        if v.required and v.default is None and v.name not in given:
            yield FieldError(
                f"{'secrets' if v.secret else 'env'}.{v.name}",
                f"is required by the template {template.id}: {v.description}".rstrip(": "),
            )


def raw(ports: Iterable[Port] | None, paths: Collection[str] | None) -> Iterator[FieldError]:
    """Nobody looks at what goes through a raw port: it would open what ``paths`` leave shut."""
    if paths is not None and any(p.protocol is Protocol.TCP for p in ports or ()):
        words = "can't be raw: of this template only some paths are open, and raw ports open all"
        yield FieldError("ports", words)


def template_env(template: Template, secret_names: Collection[str]) -> dict[str, str]:
    """The template's own variables, but for those that the caller keeps secret."""
    return {
        v.name: v.default
        for v in template.env
        if v.default is not None and v.name not in secret_names
    }


def template_parameters(template: Template, env: Mapping[str, str]) -> tuple[Parameter, ...]:
    """What of ``env`` is done in the container instead of being told to it."""
    return tuple(
        Parameter(p.name, _values(env[p.name], p.separator), p.command)
        for p in template.parameters
        if p.name in env
    )


def _values(text: str, separator: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(v.strip() for v in text.split(separator) if v.strip()))
