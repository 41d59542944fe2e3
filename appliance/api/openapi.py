"""OpenAPI 3.1 of the API, from the route table and the models that validate."""

import re
from collections.abc import Sequence
from typing import Any

from pydantic import BaseModel

from appliance import __version__
from appliance.api.answers import ANSWERS, Problem
from appliance.api.routes import Route
from appliance.domain.permissions import Policy

REF = "#/components/schemas/{model}"
PROBLEM = {"$ref": REF.format(model="Problem")}

TITLES = {
    400: "The body is not JSON",
    401: "No valid token",
    403: "Not allowed",
    404: "No such thing, or not yours",
    409: "Not with what is there now",
    413: "The body is too large",
    415: "Not of the content type",
    422: "Wrong fields, all of them at once",
    429: "Too many tries",
    500: "A defect; the errorId is in the log",
    502: "Podman answered with an error",
    503: "Podman or the database does not answer now",
    507: "No space left",
}

ALSO = {"read_logs": "text/event-stream", "read_usage": "text/csv"}
"""By handler: the content type of its answer in another form, where it is asked for."""

Schema = dict[str, Any]

ASKED: dict[str, Schema] = {
    "Idempotency-Key": {
        "description": "The same key and body get the first answer again, for a day",
        "schema": {"type": "string", "pattern": "^[!-~]([ -~]{0,253}[!-~])?$"},
    },
    "Last-Event-ID": {
        "description": "A stream goes on after the message of this id",
        "schema": {"type": "string"},
    },
}
LOCATION = {
    "Location": {
        "description": "Where the new thing is",
        "required": True,
        "schema": {"type": "string", "format": "uri-reference"},
    }
}
RETRY_AFTER = {
    "Retry-After": {
        "description": "In so many seconds it may succeed",
        "required": True,
        "schema": {"type": "integer", "minimum": 0},
    }
}
TOLD: dict[int, Schema] = {
    401: {
        "WWW-Authenticate": {
            "description": "How to come in: with a token",
            "required": True,
            "schema": {"const": "Bearer"},
        }
    },
    429: RETRY_AFTER,
    503: RETRY_AFTER,
}
"""By status: the headers of a bad answer."""


def document(routes: Sequence[Route]) -> Schema:
    """The whole document."""
    paths: dict[str, Schema] = {}
    for route in routes:
        paths.setdefault(route.path, {})[route.method.lower()] = _operation(route)
    return {
        "openapi": "3.1.0",
        "info": {"title": "Neuranet Appliance", "version": __version__},
        "security": [{"bearer": []}],
        "paths": paths,
        "components": {
            "schemas": _schemas(routes),
            "securitySchemes": {"bearer": {"type": "http", "scheme": "bearer"}},
        },
    }


def _operation(route: Route) -> Schema:
    name = route.handler.__name__
    operation: Schema = {
        "operationId": name,
        "summary": (route.handler.__doc__ or name).split("\n")[0].rstrip("."),
        "parameters": [
            *_path_parameters(route),
            *_query_parameters(route),
            *_header_parameters(route),
        ],
        "responses": _responses(route),
    }
    if route.body is not None:
        content = {"application/json": {"schema": {"$ref": REF.format(model=route.body.__name__)}}}
        operation["requestBody"] = {"required": True, "content": content}
    if route.upload is not None:
        content = {route.upload: {"schema": {"type": "string", "format": "binary"}}}
        operation["requestBody"] = {"required": True, "content": content}
    if route.policy is Policy.PUBLIC:
        operation["security"] = []
    return operation


def _path_parameters(route: Route) -> list[Schema]:
    return [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string", "minLength": 1}}
        for name in re.findall(r"{(\w+)}", route.path)
    ]


def _query_parameters(route: Route) -> list[Schema]:
    if route.query is None:
        return []
    schema = route.query.model_json_schema(by_alias=True)
    definitions = schema.get("$defs", {})
    return [
        {"name": name, "in": "query", "required": False, "schema": _inlined(shape, definitions)}
        for name, shape in schema["properties"].items()
    ]


def _header_parameters(route: Route) -> list[Schema]:
    return [{"name": name, "in": "header", **ASKED[name]} for name in route.headers]


def _inlined(shape: Any, definitions: Schema) -> Any:  # noqa: ANN401 - JSON
    """A parameter's schema without references: tools differ in how they follow them there."""
    if isinstance(shape, list):
        return [_inlined(s, definitions) for s in shape]
    if not isinstance(shape, dict):
        return shape
    if "$ref" in shape:
        return _inlined(definitions[shape["$ref"].rsplit("/", 1)[-1]], definitions)
    return {key: _inlined(value, definitions) for key, value in shape.items()}


def _responses(route: Route) -> Schema:
    responses: Schema = {str(route.status): _success(route)}
    for status in _failures(route):
        content = {"application/problem+json": {"schema": PROBLEM}}
        responses[str(status)] = {"description": TITLES[status], "content": content}
        if status in TOLD:
            responses[str(status)]["headers"] = TOLD[status]
    return responses


def _success(route: Route) -> Schema:
    kind, model = ANSWERS.get(route.handler.__name__, ("application/json", None))
    schema = {} if model is None else {"$ref": REF.format(model=model.__name__)}
    content = {kind: {"schema": schema}}
    if (other := ALSO.get(route.handler.__name__)) is not None:
        content[other] = {"schema": {}}
    success: Schema = {"description": "Done", "content": content}
    if route.located:
        success["headers"] = LOCATION
    return success


def _failures(route: Route) -> list[int]:
    failures = {422, 500, 503, *route.fails}
    if route.policy is not Policy.PUBLIC:
        failures |= {401, 403}
    if "{" in route.path:
        failures |= {404, 409}
    if route.body is not None:
        failures |= {400, 401, 409, 413, 415, 429, 507}
    if route.upload is not None:
        failures |= {413, 415, 507}
    return sorted(failures)


def _schemas(routes: Sequence[Route]) -> Schema:
    models: list[type[BaseModel]] = [Problem, *(m for _, m in ANSWERS.values() if m)]
    models += [route.body for route in routes if route.body is not None]
    schemas: Schema = {}
    for model in models:
        schema = model.model_json_schema(by_alias=True, ref_template=REF)
        schemas |= schema.pop("$defs", {})
        schemas[model.__name__] = schema
    return schemas
