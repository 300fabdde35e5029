"""Static files of the web page for users and of the page that renders the OpenAPI document.

All files come from this package or from BentoML's; the content security policy forbids the browser
to load or call anything else.
"""

from __future__ import annotations

from importlib.resources import files

Headers = tuple[tuple[bytes, bytes], ...]

HTML = b"text/html; charset=utf-8"
SCRIPT = b"text/javascript; charset=utf-8"
STYLE = b"text/css; charset=utf-8"
ICON = b"image/svg+xml"

TYPES = {".html": HTML, ".js": SCRIPT, ".css": STYLE, ".svg": ICON}

PAGES = {"/": "index.html", "/docs": "docs.html"}
"""Public paths of the two pages; the path of every other file begins with `/page/`."""

SWAGGER = {"/page/swagger-ui.js": "swagger-ui-bundle.js", "/page/swagger-ui.css": "swagger-ui.css"}
"""Files of Swagger UI that BentoML contains, by the paths under which they are served."""
SWAGGER_FOLDER = "static_content"
SWAGGER_PACKAGE = "bentoml._internal.server"

POLICY = (
    b"default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:;"
    b" connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
"""No inline code and no other origin, on every page; Swagger UI has images as data URLs."""


def pages() -> dict[str, tuple[Headers, bytes]]:
    """Return headers (without the length) and body of each file, by its public path."""
    served = {path: _file(name) for path, name in PAGES.items()}
    for entry in files(__name__).iterdir():
        if _suffix(entry.name) in TYPES and entry.name not in PAGES.values():
            served[f"/page/{entry.name}"] = _file(entry.name)
    swagger = files(SWAGGER_PACKAGE) / SWAGGER_FOLDER
    for path, name in SWAGGER.items():
        served[path] = (_headers(name, max_age=86_400), (swagger / name).read_bytes())
    return served


def _file(name: str) -> tuple[Headers, bytes]:
    return _headers(name, max_age=60), (files(__name__) / name).read_bytes()


def _headers(name: str, max_age: int) -> Headers:
    return (
        (b"content-type", TYPES[_suffix(name)]),
        (b"content-security-policy", POLICY),
        (b"cache-control", b"public, max-age=%d" % max_age),
    )


def _suffix(name: str) -> str:
    return name[name.rfind(".") :]
