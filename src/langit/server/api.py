"""The application: routes, and one shape for every error."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from fastapi import APIRouter, FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from langit.server import routes_files, routes_verbs, routes_videos, routes_webhooks
from langit.server.context import Server, TheCaller, TheServer
from langit.server.errors import ApiError, from_validation
from langit.server.middleware import Surround
from langit.server.openapi import document
from langit.server.schema import ServedModelInfo

models = APIRouter(prefix="/v1", tags=["models"])
health = APIRouter(tags=["health"])


@models.get("/models")
def list_models(server: TheServer, caller: TheCaller) -> dict[str, Any]:
    """The models that requests may name."""
    return {"object": "list", "data": [_info(server, name).model_dump() for name in server.settings.models]}


@models.get("/models/{model}")
def retrieve_model(server: TheServer, caller: TheCaller, model: str) -> ServedModelInfo:
    """A model that requests may name."""
    return _info(server, server.intake.served(model)[0])


def _info(server: Server, name: str) -> ServedModelInfo:
    return ServedModelInfo(id=name, created=server.started, owned_by="langit")


@health.get("/healthz")
def is_alive() -> dict[str, str]:
    """The process answers."""
    return {"status": "ok"}


@health.get("/readyz", responses={503: {}})
def is_ready(server: TheServer) -> Response:
    """200 once a video can be made: a worker is there and holds its models."""
    ready = server.fleet.is_ready()
    return JSONResponse({"status": "ok" if ready else "no worker is ready yet"}, 200 if ready else 503)


@health.get("/metrics", response_class=Response, responses={200: {"content": {"text/plain": {}}}})
def metrics(server: TheServer) -> Response:
    """For Prometheus."""
    return Response(server.metrics.text(), media_type="text/plain; version=0.0.4; charset=utf-8")


def build(server: Server) -> FastAPI:
    """The application of a server; it closes the server when it ends."""

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        yield
        server.close()

    app = FastAPI(title="langit", lifespan=lifespan, docs_url=None, redoc_url=None, redirect_slashes=False)
    app.state.server = server
    app.openapi = lambda: document(app)  # type: ignore[method-assign]
    for router in (routes_videos.router, routes_verbs.router, routes_files.router, routes_webhooks.router, models):
        app.include_router(router)
    app.include_router(health)
    app.add_middleware(Surround, metrics=server.metrics, upload_mb=server.settings.limits.upload_mb)

    @app.exception_handler(ApiError)
    async def told(_: Request, error: ApiError) -> JSONResponse:
        return JSONResponse(error.body(), error.status, error.headers)

    @app.exception_handler(RequestValidationError)
    async def misunderstood(_: Request, error: RequestValidationError) -> JSONResponse:
        answer = from_validation(error.errors())
        return JSONResponse(answer.body(), answer.status)

    @app.exception_handler(HTTPException)
    async def misdirected(request: Request, error: HTTPException) -> JSONResponse:
        method, path = request.method, request.url.path[:200]
        if error.status_code == 404:
            answer = ApiError(
                404, f"Invalid URL ({method} {path}); /openapi.json lists those there are.", code="unknown_url"
            )
        elif error.status_code == 405:
            answer = ApiError(405, f"Not allowed to {method} on {path}.", code="method_not_allowed")
        else:
            answer = ApiError(error.status_code, str(error.detail))
        return JSONResponse(answer.body(), answer.status, error.headers)

    return app
