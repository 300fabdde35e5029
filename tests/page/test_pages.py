"""Tests of the page's files: headers, texts in both languages, no other hosts."""

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
    """Both pages, and every file of the package that is not Python, have a path."""
    shipped = {e.name for e in files(page).iterdir() if e.name.endswith((".js", ".css", ".svg"))}
    assert {"/", "/docs"} <= set(PAGES)
    assert {f"/page/{name}" for name in shipped} <= set(PAGES)


@pytest.mark.parametrize("path", sorted(PAGES))
def test_headers_are_strict(path: str) -> None:
    """Scripts come only from this host and never inline; files may be cached."""
    policy = dict(
        part.split(" ", 1) for part in _header(path, "content-security-policy").split("; ")
    )
    assert policy["default-src"] == "'none'"
    assert policy["script-src"] == policy["style-src"] == policy["connect-src"] == "'self'"
    assert policy["frame-ancestors"] == "'none'"
    assert re.fullmatch(r"public, max-age=\d+", _header(path, "cache-control"))


@pytest.mark.parametrize("path", OWN)
def test_no_file_contains_another_host(path: str) -> None:
    """The only URL is SVG's namespace, which is never loaded."""
    found = re.findall(r"(?:https?:)?//[\w-]+\.[\w./-]+", _text(path))
    assert set(found) <= {SVG_NAMESPACE}


@pytest.mark.parametrize("path", ["/", "/docs"])
def test_pages_have_no_inline_code(path: str) -> None:
    """Scripts and styles are files; there are no handlers and no style attributes."""
    document = _text(path)
    assert not re.search(r"<style|\sstyle=|\son\w+=|javascript:", document)
    assert re.findall(r"<script[^>]*>(.*?)</script>", document) == [""] * document.count("<script")
    for link in re.findall(r'(?:src|href)="(/[^"]*)"', document):
        assert link in PAGES or link in {"/model", "/openapi.json"}


@pytest.mark.parametrize("path", [p for p in OWN if p.endswith(".js")])
def test_scripts_import_served_files_and_never_write_markup(path: str) -> None:
    """Every import has a path; data is only inserted as text."""
    script = _text(path)
    for name in re.findall(r'from "\./([^"]+)"', script):
        assert f"/page/{name}" in PAGES
    assert not re.search(r"innerHTML|outerHTML|insertAdjacent|document\.write|\beval\(", script)


def test_both_languages_have_the_same_texts() -> None:
    """Both have the same keys, no empty text, and the same placeholders."""
    english, spanish = _texts()["en"], _texts()["es"]
    assert english.keys() == spanish.keys()
    for key, text in english.items():
        assert text, key
        assert spanish[key], key
        assert set(re.findall(r"\{\w+\}", text)) == set(re.findall(r"\{\w+\}", spanish[key])), key


def test_every_used_key_has_a_text() -> None:
    """The browser tests cover keys that are composed at run time."""
    assert _used_keys() - _texts()["en"].keys() == set()


def test_every_problem_has_a_text() -> None:
    """The page has a text in both languages for each kind of problem."""
    kinds = {problem.kind for problem in errors.problem_classes()}
    assert {f"problem.{kind}" for kind in kinds} <= _texts()["es"].keys()


def test_every_feature_has_a_name(bundle: Bundle) -> None:
    """Every feature of the model has a text."""
    features = bundle.card["features"]
    assert {f"feature.{name}" for name in features} <= _texts()["en"].keys()
