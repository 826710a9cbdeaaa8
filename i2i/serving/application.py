"""The application: a page, its assets, and the API."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from fastapi import APIRouter, FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException

from i2i.plugins import core_version
from i2i.serving.answers import Failure, HealthAnswer, ModelsAnswer
from i2i.serving.bounds import Bounds
from i2i.serving.choices import Choices
from i2i.serving.guard import App, Guard, error_body
from i2i.serving.page import ASSETS, content_of, document
from i2i.serving.queue import Queue
from i2i.serving.refusals import Gone, Refused
from i2i.serving.results import result_routes
from i2i.serving.settings import SampleSettings, TranslateSettings
from i2i.serving.taking import job_routes

PREFIX = "/api"
DESCRIPTION = (
    "Translates pictures, and makes new ones, with the models that this server knows. One job after another is "
    'computed. Every error is `{"error": "…"}`.'
)


@dataclass(frozen=True)
class Serving:
    """What an application serves from."""

    choices: Choices
    queue: Queue
    bounds: Bounds = Bounds()  # noqa: RUF009 -- frozen


def application(serving: Serving, names: Iterable[str] = ()) -> App:
    """The application, behind its guard; it also answers to these host names."""
    app = FastAPI(
        title="i2i serve",
        version=core_version(),
        description=DESCRIPTION,
        openapi_url=f"{PREFIX}/openapi.json",
        docs_url=None,  # their pages load scripts from elsewhere
        redoc_url=None,
        redirect_slashes=False,
        responses={"4XX": {"model": Failure, "description": "Refused, in words"}},
    )
    app.include_router(_page_routes(), include_in_schema=False)
    app.include_router(_overview_routes(serving), prefix=PREFIX)
    app.include_router(job_routes(serving.choices, serving.queue, serving.bounds, PREFIX), prefix=PREFIX)
    app.include_router(result_routes(serving.queue, serving.bounds), prefix=PREFIX)
    app.add_exception_handler(Refused, _refused)
    app.add_exception_handler(Gone, _refused)
    app.add_exception_handler(HTTPException, _http_error)
    app.add_exception_handler(RequestValidationError, _wrong_request)
    app.add_exception_handler(Exception, _unexpected)
    _describe_bodies(app)
    return Guard(app, names)


def _describe_bodies(app: FastAPI) -> None:
    """Add what jobs are made of, which is read piece by piece and no parameter of a function, to the description."""
    plain = app.openapi

    def openapi() -> dict[str, Any]:
        described = plain()
        schemas = described["components"]["schemas"]
        for model in (TranslateSettings, SampleSettings):
            schemas.setdefault(model.__name__, model.model_json_schema(ref_template="#/components/schemas/{model}"))
        return described

    app.openapi = openapi  # type: ignore[method-assign]


def _page_routes() -> APIRouter:
    router, shown = APIRouter(), document()

    @router.get("/")
    async def page() -> Response:
        return Response(shown, media_type="text/html")

    @router.get("/assets/{name}")
    async def assets(name: str) -> Response:
        if name not in ASSETS:
            raise HTTPException(404)
        return Response(content_of(name), media_type=ASSETS[name])

    return router


def _overview_routes(serving: Serving) -> APIRouter:
    router = APIRouter()

    @router.get("/health", response_model=HealthAnswer, summary="Whether the server is well")
    async def health() -> dict[str, Any]:
        return {"status": "ok", "version": core_version(), "busy": serving.queue.busy}

    @router.get("/models", response_model=ModelsAnswer, summary="What can be chosen, and how much may be asked for")
    def models() -> dict[str, Any]:
        found = serving.choices.all().values()
        return {"models": [choice.view() for choice in found], "limits": vars(serving.bounds)}

    return router


async def _refused(request: Request, error: Exception) -> Response:
    refused = error if isinstance(error, Refused) else Refused(400, "the request ended before its end")
    return _failure(refused.status, refused.text, refused.headers)


async def _http_error(request: Request, error: Exception) -> Response:
    status = getattr(error, "status_code", 500)
    texts = {404: "there is nothing at this address", 405: f"{request.method[:20]} is not for this address"}
    return _failure(status, texts.get(status, HTTPStatus(status).phrase.lower()), getattr(error, "headers", None))


async def _wrong_request(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    return _failure(422, first_mistake(error.errors()))


async def _unexpected(request: Request, error: Exception) -> Response:
    return _failure(
        500, f"unexpected {type(error).__name__} (a bug in i2i or a plugin; the server's console tells more)"
    )


def first_mistake(errors: Iterable[Any]) -> str:
    """What pydantic complains of, in one sentence."""
    first = next(iter(errors))
    where = ".".join(str(part) for part in first["loc"] if part not in ("path", "query", "body"))
    return f"{where}: {first['msg']}" if where else str(first["msg"])


def _failure(status: int, text: str, headers: Any = None) -> Response:
    return Response(error_body(text), status, headers, "application/json")
