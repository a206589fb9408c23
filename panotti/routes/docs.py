"""The API description and its pages; served in development only."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response
from fastapi.openapi.docs import get_redoc_html, get_swagger_ui_html

from panotti.routes.answers import answer
from panotti.rules import PUBLIC, rule

PATHS = ("/openapi.json", "/docs", "/redoc")
TITLE = "PanottiServer"
router = APIRouter(include_in_schema=False)


@router.get("/openapi.json", response_model=None)
@rule(PUBLIC)
async def openapi(request: Request) -> Response:
    return answer(request.app.openapi())


@router.get("/docs", response_model=None)
@rule(PUBLIC)
async def docs() -> Response:
    return get_swagger_ui_html(openapi_url="/openapi.json", title=TITLE)


@router.get("/redoc", response_model=None)
@rule(PUBLIC)
async def redoc() -> Response:
    return get_redoc_html(openapi_url="/openapi.json", title=TITLE)
