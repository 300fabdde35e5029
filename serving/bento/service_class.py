"""The one place that bends BentoML: a service whose public face is the front door."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol, cast

from bentoml import Service

from serving.settings import Batching, settings

if TYPE_CHECKING:
    from serving.api.admin import Admin
    from serving.api.asgi import ASGIApp
    from serving.models.loaded import Runtime
    from serving.models.reload import ModelReloader


class Served(Protocol):
    """What a service class must offer to stand behind the front door."""

    runtime: Runtime
    rollover: ModelReloader


class ApplicationService(Service[Any]):  # type: ignore[misc] # bentoml hides its types
    """A BentoML service that answers the contract's routes before its own application does.

    Pass it to the decorator: ``@bentoml.service(service_class=ApplicationService, ...)``. BentoML
    keeps the process, its workers, its life cycle and the batchable methods, which it calls
    through the inner application, where nobody from outside can reach them.
    """

    def __call__(self) -> Served:
        """Create the instance, and remember it as the one whose model answers."""
        self._served = cast("Served", super().__call__())
        return self._served

    def to_asgi(self, is_main: bool = True) -> ASGIApp:
        """Put the front door before BentoML's application."""
        from serving.api.application import Application  # noqa: PLC0415 - see serving.bento.startup
        from serving.http import server  # noqa: PLC0415 - see serving.bento.startup
        from serving.http.context import ConnectionContext  # noqa: PLC0415 - see serving.bento.startup

        inner = cast("ASGIApp", super().to_asgi(is_main))
        door = Application(inner, lambda: self._served.runtime, settings(), self._admin())
        short = settings().batching is Batching.INLINE
        predict = door.predict_delay if short else None
        house = ConnectionContext.of(predict, door.keys, settings())
        server.install(house, alone=settings().workers == 1)
        return door

    def _admin(self) -> Admin | None:
        """What answers the administrator; nothing where no token is set."""
        from serving.api.admin import Admin  # noqa: PLC0415 - see serving.bento.startup

        token, name = settings().admin_secret, settings().model.partition(":")[0]
        return Admin(token, lambda: self._served.rollover, name) if token else None
