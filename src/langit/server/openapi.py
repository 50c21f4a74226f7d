"""/openapi.json: FastAPI's document, with the bodies that are read by hand and the errors that every route can answer."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from langit import __version__
from langit.server.schema import (
    BatchCreate,
    CharacterCreate,
    EndpointCreate,
    EndpointRotate,
    EndpointTest,
    EndpointUpdate,
    ErrorBody,
    VideoBlend,
    VideoCreate,
    VideoEdit,
    VideoExtend,
    VideoInpaint,
    VideoLoop,
    VideoOutpaint,
    VideoRecut,
    VideoRemix,
    VideoStoryboard,
)

BODIES: tuple[type[BaseModel], ...] = (
    VideoCreate,
    VideoEdit,
    VideoExtend,
    VideoRemix,
    VideoLoop,
    VideoBlend,
    VideoRecut,
    VideoInpaint,
    VideoOutpaint,
    VideoStoryboard,
    CharacterCreate,
    BatchCreate,
    EndpointCreate,
    EndpointUpdate,
    EndpointRotate,
    EndpointTest,
)
SHOWN: tuple[type[BaseModel], ...] = (*BODIES, ErrorBody)


def takes(model: type[BaseModel], *files: str) -> dict[str, Any]:
    """For a route: its body is `model`, as JSON or as a form, in which `files` may be files."""
    schema: dict[str, Any] = {"$ref": f"#/components/schemas/{model.__name__}"}
    form = {
        "allOf": [
            {"type": "object", "properties": {name: {"type": "string", "format": "binary"} for name in files}},
        ]
    }
    content = {"application/json": {"schema": schema}, "multipart/form-data": {"schema": form if files else schema}}
    return {"requestBody": {"required": True, "content": content}}


def document(app: FastAPI) -> dict[str, Any]:
    """The OpenAPI document of the application."""
    if app.openapi_schema:
        return app.openapi_schema
    made = get_openapi(
        title="langit",
        version=__version__,
        summary="OpenAI's Videos API, on your own machine.",
        routes=app.routes,
    )
    _, definitions = models_json_schema(
        [(model, "validation") for model in SHOWN], ref_template="#/components/schemas/{model}"
    )
    components = made.setdefault("components", {})
    components.setdefault("schemas", {}).update(definitions.get("$defs", {}))
    for unused in ("HTTPValidationError", "ValidationError"):
        components["schemas"].pop(unused, None)
    components["securitySchemes"] = {"bearer": {"type": "http", "scheme": "bearer"}}
    told = {
        "description": "An error.",
        "content": {"application/json": {"schema": {"$ref": "#/components/schemas/ErrorBody"}}},
    }
    for path, operations in made["paths"].items():
        for operation in operations.values():
            operation["responses"].pop("422", None)
            operation["responses"]["4XX"] = operation["responses"]["5XX"] = told
            if path.startswith("/v1/"):
                operation["security"] = [{"bearer": []}]
    app.openapi_schema = made
    return made
