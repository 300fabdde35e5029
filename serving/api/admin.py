"""`POST /admin/reload`: model roll-over on request, for whoever holds the admin token."""

from __future__ import annotations

import hmac
import json
import logging
from collections.abc import Callable
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from serving.api.asgi import JSON, Headers, Receive, Scope, read_body
from serving.api.auth import bearer_token
from serving.errors import Invalid, NotJson, Unauthorized
from serving.models.reload import ModelReloader

PATH = "/admin/reload"
LARGEST_BODY = 1000

logger = logging.getLogger("flight_delay")


class ReloadRequest(BaseModel):
    """What may be asked: a version, to go back to one; without it, the newest."""

    model_config = ConfigDict(extra="forbid", strict=True)

    version: Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]{1,63}$")] = "latest"


class Admin:
    """Answers `POST /admin/reload`.

    Parameters
    ----------
    token
        What the caller must show as ``Authorization: Bearer <token>``.
    rollover
        Returns what loads and swaps.
    name
        Of the served model; no other can be loaded.
    """

    def __init__(self, token: str, rollover: Callable[[], ModelReloader], name: str) -> None:
        self._token = token.encode()
        self._rollover = rollover
        self._name = name

    async def reload(self, scope: Scope, receive: Receive) -> tuple[int, bytes, Headers]:
        """Handle the request; see `ModelReloader.reload` for what is refused.

        Raises
        ------
        Unauthorized
            If the token is missing or wrong: compared in constant time.
        """
        if not hmac.compare_digest(bearer_token(scope["headers"]) or b"", self._token):
            logger.warning("a roll-over was asked for without the admin token")
            detail = "Send the admin token: Authorization: Bearer <token>."
            raise Unauthorized(detail, headers=((b"www-authenticate", b"Bearer"),))
        asked = _asked(await read_body(receive, LARGEST_BODY, _unwatched))
        reference = None if asked.version == "latest" else f"{self._name}:{asked.version}"
        change = await self._rollover().reload(reference)
        document = {
            "model": change.now,
            "before": change.before,
            "changed": change.now != change.before,
        }
        return 200, json.dumps(document).encode(), (JSON,)


def _unwatched(_length: int) -> None:
    """Let a body that is small by its limit grow without a word."""


def _asked(body: bytes) -> ReloadRequest:
    if not body:
        return ReloadRequest()
    try:
        document: Any = json.loads(body)
        return ReloadRequest.model_validate(document)
    except ValidationError:
        message = 'Send nothing, or {"version": "<version of the model>"}.'
        raise Invalid(message) from None
    except (ValueError, RecursionError):
        raise NotJson("The body is not JSON: send none to load the newest model.") from None  # noqa: EM101, TRY003
