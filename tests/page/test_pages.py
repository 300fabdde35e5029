"""The files of the page: their headers, their texts in both languages, nothing from elsewhere."""

from __future__ import annotations

import json
import re
from importlib.resources import files

import pytest

from model.inference.bundle import Bundle
from serving import errors, page
from serving.page import SWAGGER, pages

PAGES = pages()
OWN = sorted(set(PAGES) - set(SWAGGER))
SVG_NAMESPACE = "http://www.w3.org/2000/svg"


def _header(path: str, name: str) -> str:
    return dict(PAGES[path][0])[name.encode()].decode()


def _text(path: str) -> str:
    return PAGES[path][1].decode()


def _texts() -> dict[str, dict[str, str]]:
    script = _text("/page/texts.js")
    texts: dict[str, dict[str, str]] = json.loads(script[script.index("{") : script.rindex(";")])
    return texts


def _used_keys() -> set[str]:
    own = "\n".join(_text(path) for path in OWN if path != "/page/texts.js")
    marked = re.findall(r'data-t(?:-label|-placeholder)?"?[=:] ?"([\w.-]+)"', own)
    called = re.findall(r'\bt\(\s*"([\w.-]+)"', own)
    return {*marked, *called}


def test_both_pages_and_every_file_are_served() -> None:
    """The two entrances, and every file of the package that is not Python, have a path."""
    shipped = {e.name for e in files(page).iterdir() if e.name.endswith((".js", ".css", ".svg"))}
    assert {"/", "/docs"} <= set(PAGES)
    assert {f"/page/{name}" for name in shipped} <= set(PAGES)


@pytest.mark.parametrize("path", sorted(PAGES))
def test_headers_are_strict(path: str) -> None:
    """Scripts only from here, never inline, and a stay in caches."""
    policy = dict(
        part.split(" ", 1) for part in _header(path, "content-security-policy").split("; ")
    )
    assert policy["default-src"] == "'none'"
    assert policy["script-src"] == policy["style-src"] == policy["connect-src"] == "'self'"
    assert policy["frame-ancestors"] == "'none'"
    assert re.fullmatch(r"public, max-age=\d+", _header(path, "cache-control"))


@pytest.mark.parametrize("path", OWN)
def test_no_file_names_another_host(path: str) -> None:
    """No address but the name of SVG's namespace, which nothing loads."""
    found = re.findall(r"(?:https?:)?//[\w-]+\.[\w./-]+", _text(path))
    assert set(found) <= {SVG_NAMESPACE}


@pytest.mark.parametrize("path", ["/", "/docs"])
def test_documents_hold_no_inline_code(path: str) -> None:
    """Scripts and styles are files; there are no handlers and no style attributes."""
    document = _text(path)
    assert not re.search(r"<style|\sstyle=|\son\w+=|javascript:", document)
    assert re.findall(r"<script[^>]*>(.*?)</script>", document) == [""] * document.count("<script")
    for link in re.findall(r'(?:src|href)="(/[^"]*)"', document):
        assert link in PAGES or link in {"/model", "/openapi.json"}


@pytest.mark.parametrize("path", [p for p in OWN if p.endswith(".js")])
def test_scripts_import_what_is_served_and_never_write_markup(path: str) -> None:
    """Every import has a path; data reaches the page as text alone."""
    script = _text(path)
    for name in re.findall(r'from "\./([^"]+)"', script):
        assert f"/page/{name}" in PAGES
    assert not re.search(r"innerHTML|outerHTML|insertAdjacent|document\.write|\beval\(", script)


def test_both_languages_have_the_same_texts() -> None:
    """The same keys, none empty, with the same holes to fill."""
    english, spanish = _texts()["en"], _texts()["es"]
    assert english.keys() == spanish.keys()
    for key, text in english.items():
        assert text, key
        assert spanish[key], key
        assert set(re.findall(r"\{\w+\}", text)) == set(re.findall(r"\{\w+\}", spanish[key])), key


def test_every_key_that_is_used_has_a_text() -> None:
    """Keys that are put together at run time are covered by the tests in the browser."""
    assert _used_keys() - _texts()["en"].keys() == set()


def test_every_problem_has_words() -> None:
    """The page has a text in both languages for each kind of problem."""
    kinds = {problem.kind for problem in errors.problem_classes()}
    assert {f"problem.{kind}" for kind in kinds} <= _texts()["es"].keys()


def test_every_feature_has_a_name(bundle: Bundle) -> None:
    """What the model looks at is named in words."""
    features = bundle.card["features"]
    assert {f"feature.{name}" for name in features} <= _texts()["en"].keys()
