"""The web page for people, and the page that renders the contract: files, served as they are.

Everything that a browser gets comes from this package or from what BentoML ships; the headers
forbid it to load or call anything else.
"""

from __future__ import annotations

from importlib.resources import files

Headers = tuple[tuple[bytes, bytes], ...]

HTML = b"text/html; charset=utf-8"
SCRIPT = b"text/javascript; charset=utf-8"
STYLE = b"text/css; charset=utf-8"
ICON = b"image/svg+xml"

TYPES = {".html": HTML, ".js": SCRIPT, ".css": STYLE, ".svg": ICON}

ENTRANCES = {"/": "index.html", "/docs": "docs.html"}
"""The two pages by their public paths; every other file of the package is under `/page/`."""

SWAGGER = {"/page/swagger-ui.js": "swagger-ui-bundle.js", "/page/swagger-ui.css": "swagger-ui.css"}
"""Files that BentoML ships, by the paths under which the page of the contract asks for them."""
SWAGGER_FOLDER = "static_content"
SWAGGER_PACKAGE = "bentoml._internal.server"

POLICY = (
    b"default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:;"
    b" connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
"""Nothing inline and nothing from elsewhere, on every page; Swagger UI has pictures as data."""


def pages() -> dict[str, tuple[Headers, bytes]]:
    """Read every file of the page.

    Returns
    -------
    For each public path, what a GET answers: the headers, but for the length, and the body.
    """
    served = {path: _own(name) for path, name in ENTRANCES.items()}
    for entry in files(__name__).iterdir():
        if _suffix(entry.name) in TYPES and entry.name not in ENTRANCES.values():
            served[f"/page/{entry.name}"] = _own(entry.name)
    shipped = files(SWAGGER_PACKAGE) / SWAGGER_FOLDER
    for path, name in SWAGGER.items():
        served[path] = (_headers(name, max_age=86_400), (shipped / name).read_bytes())
    return served


def _own(name: str) -> tuple[Headers, bytes]:
    return _headers(name, max_age=60), (files(__name__) / name).read_bytes()


def _headers(name: str, max_age: int) -> Headers:
    return (
        (b"content-type", TYPES[_suffix(name)]),
        (b"content-security-policy", POLICY),
        (b"cache-control", b"public, max-age=%d" % max_age),
    )


def _suffix(name: str) -> str:
    return name[name.rfind(".") :]
