"""A caller's order and a template, made into one complete spec; every wrong field at once."""

import re
from collections.abc import Iterable
from dataclasses import replace

from appliance.domain.deployment import (
    Access,
    Parameter,
    Port,
    Protocol,
    Resources,
    RestartPolicy,
    Spec,
)
from appliance.domain.errors import FieldError, InvalidRequest
from appliance.domain.image import complete
from appliance.domain.order import Order
from appliance.domain.template import Template, TemplateParameter

NAME_STEM_LENGTH = 40


def spec_from_template(order: Order, template: Template) -> Spec:
    """The spec of a template's deployment: what the order says, else what the template says.

    Raises:
        InvalidRequest: the template needs a variable that the order does not bring.
    """
    given = {**order.env, **order.secrets}
    _refuse(_missing(template, given))
    return Spec(
        image=template.image,
        template_id=template.id,
        command=order.command if order.command is not None else template.command,
        env=order.env,
        base_env={
            v.name: v.default
            for v in template.env
            if v.default is not None and v.name not in order.secrets
        },
        secret_names=tuple(sorted(order.secrets)),
        ports=order.ports if order.ports is not None else template.ports,
        volumes=order.volumes if order.volumes is not None else template.volumes,
        resources=_resources(order, template),
        access=order.access or template.access,
        hostname=order.hostname,
        health=order.health or template.health,
        restart_policy=order.restart_policy or RestartPolicy.ON_FAILURE,
        parameters=tuple(_parameters(template.parameters, order)),
    )


def spec_from_image(order: Order, reference: str) -> Spec:
    """The spec of a custom image's deployment.

    Raises:
        InvalidRequest: the reference is none.
    """
    try:
        image = complete(reference)
    except ValueError as error:
        raise InvalidRequest(FieldError("customImage", str(error))) from error
    return Spec(
        image=image,
        command=order.command,
        env=order.env,
        secret_names=tuple(sorted(order.secrets)),
        ports=order.ports,
        volumes=order.volumes or (),
        resources=order.resources or Spec(image=image).resources,
        access=order.access or Access.PUBLIC,
        hostname=order.hostname,
        health=order.health,
        restart_policy=order.restart_policy or RestartPolicy.ON_FAILURE,
    )


def default_name(spec: Spec) -> str:
    """A readable name for a deployment that was given none: the template's, or the image's."""
    if spec.template_id is not None:
        return spec.template_id
    last = spec.image.split("@")[0].rsplit("/", 1)[-1].split(":")[0]
    return re.sub(r"[^a-z0-9-]+", "-", last.lower()).strip("-")[:NAME_STEM_LENGTH] or "deployment"


def primary_port(ports: Iterable[Port]) -> Port | None:
    """The port a deployment's own address leads to: the first that speaks HTTP."""
    return next((p for p in ports if p.protocol is Protocol.HTTP), None)


def _resources(order: Order, template: Template) -> Resources:
    """Whoever asks for a GPU and names no size gets one that the template can work with."""
    chosen = order.resources or template.resources
    if chosen.min_vram_mb is None and chosen.gpu_need is not None:
        return replace(chosen, min_vram_mb=template.gpu.min_vram_mb)
    return chosen


def _missing(template: Template, given: dict[str, str]) -> list[FieldError]:
    return [
        FieldError(
            f"{'secrets' if v.secret else 'env'}.{v.name}",
            f"is required by the template {template.id}: {v.description}".rstrip(": "),
        )
        for v in template.env
        if v.required and v.default is None and v.name not in given
    ]


def _refuse(errors: list[FieldError]) -> None:
    if errors:
        raise InvalidRequest(*errors)


def _parameters(declared: Iterable[TemplateParameter], order: Order) -> Iterable[Parameter]:
    for parameter in declared:
        text = order.env.get(parameter.name)
        if text is not None:
            values = tuple(v.strip() for v in text.split(parameter.separator) if v.strip())
            yield Parameter(parameter.name, tuple(dict.fromkeys(values)), parameter.command)
