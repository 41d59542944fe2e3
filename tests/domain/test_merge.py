"""What becomes of an order and its template; here: what may not be opened by it."""

from dataclasses import replace

import pytest

from appliance.domain.change import Change, changed
from appliance.domain.deployment import HealthCheck, Port, Protocol, Spec
from appliance.domain.errors import InvalidRequest
from appliance.domain.merge import spec_from_image, spec_from_template
from appliance.domain.order import Order
from appliance.domain.template import Template, TemplateVariable

PATHS = ("/v1/",)
DEV_MODE = TemplateVariable("DEV_MODE", default="1")
TEMPLATE = Template(
    id="t", name="T", description="t", category="ai", image="docker.io/library/t:1",
    ports=(Port(8000),), env=(DEV_MODE,), paths=PATHS,
)  # fmt: skip
RAW = (Port(8000, Protocol.TCP),)
ORDER = Order("node_1", "t")


def test_the_paths_of_a_template_are_its_deployments() -> None:
    assert spec_from_template(ORDER, TEMPLATE).paths == PATHS
    elsewhere = replace(ORDER, ports=(Port(9000),))
    assert spec_from_template(elsewhere, TEMPLATE).paths == PATHS


def test_a_raw_port_where_not_every_path_is_open_is_refused() -> None:
    with pytest.raises(InvalidRequest) as ordered:
        spec_from_template(replace(ORDER, ports=RAW), TEMPLATE)
    spec = spec_from_template(ORDER, TEMPLATE)
    with pytest.raises(InvalidRequest) as patched:
        changed(spec, Change(fields={"ports": RAW}), None)  # its template may be gone by now
    for refused in (ordered, patched):
        assert [e.field for e in refused.value.errors] == ["ports"]


def test_who_gets_the_variables_of_a_newer_template_gets_its_paths() -> None:
    old = Spec(image=TEMPLATE.image, template_id="t")
    assert changed(old, Change(name="x"), TEMPLATE).paths is None
    after = changed(old, Change(fields={"env": {"A": "1"}}), TEMPLATE)
    assert (after.base_env, after.paths) == ({"DEV_MODE": "1"}, PATHS)
    with pytest.raises(InvalidRequest):
        changed(replace(old, ports=RAW), Change(fields={"env": {"A": "1"}}), TEMPLATE)


def test_how_long_it_may_take_to_come_up_is_the_templates_word() -> None:
    slow = replace(TEMPLATE, health=HealthCheck("/health", 8000, start_period_s=600))
    mine = HealthCheck("/ready")
    for spec in (
        spec_from_template(replace(ORDER, health=mine), slow),
        changed(spec_from_template(ORDER, slow), Change(fields={"health": mine}), slow),
    ):
        assert spec.health == HealthCheck("/ready", start_period_s=600)
    assert spec_from_template(replace(ORDER, health=mine), TEMPLATE).health == mine


CHECKED = replace(TEMPLATE, health=HealthCheck("/health", 8000), paths=None)
ELSEWHERE = (Port(9000),)


def test_a_templates_check_of_a_port_that_is_replaced_falls_away() -> None:
    assert spec_from_template(replace(ORDER, ports=ELSEWHERE), CHECKED).health is None
    assert spec_from_template(replace(ORDER, ports=()), CHECKED).health is None
    both = (*TEMPLATE.ports, *ELSEWHERE)
    spec = spec_from_template(replace(ORDER, ports=both), CHECKED)
    assert spec.health == CHECKED.health
    assert changed(spec, Change(fields={"ports": ELSEWHERE}), CHECKED).health is None
    assert changed(spec, Change(name="x"), CHECKED).health == CHECKED.health


@pytest.mark.parametrize(
    ("port", "ports", "field"), [(8080, ELSEWHERE, "health.port"), (None, (), "health")]
)
def test_a_check_that_is_asked_for_asks_a_port_that_is_there(
    port: int | None, ports: tuple[Port, ...], field: str
) -> None:
    order = replace(ORDER, health=HealthCheck("/", port), ports=ports)
    own = replace(spec_from_template(ORDER, TEMPLATE), health=HealthCheck("/", 8000))
    asked = Change(fields={"health": order.health, "ports": ports})
    with pytest.raises(InvalidRequest) as by_template:
        spec_from_template(order, CHECKED)
    with pytest.raises(InvalidRequest) as by_image:
        spec_from_image(order, "t")
    with pytest.raises(InvalidRequest) as by_change:
        changed(own, asked, CHECKED)
    for refused in (by_template, by_image, by_change):
        assert [e.field for e in refused.value.errors] == [field]
    with pytest.raises(InvalidRequest, match=r"health\.port: must be one of the ports: 9000"):
        changed(own, Change(fields={"ports": ELSEWHERE}), None)


def test_of_ports_that_only_the_image_knows_any_may_be_asked() -> None:
    order = replace(ORDER, health=HealthCheck("/", 8080))
    assert spec_from_image(order, "t").health == order.health
