"""Tests that links of documents resolve, and that every page is linked."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from tests.docs.markdown import anchors, blocks, documents, links, prose, targets
from tests.support.server import PROJECT

INDEX = PROJECT / "docs" / "README.md"
DOCUMENTS = documents()
LONGEST_README = 250
LARGEST_PICTURE = 200_000


def _name(path: Path) -> str:
    return str(path.relative_to(PROJECT))


@pytest.mark.parametrize("path", DOCUMENTS, ids=_name)
def test_every_link_resolves(path: Path) -> None:
    """Files exist, anchors are headings, and other hosts use https."""
    for link in links(path):
        if "://" in link:
            assert re.fullmatch(r"https://[\w.-]+\.[a-z]+(/\S*)?", link), link
            continue
        place, _, anchor = link.partition("#")
        target = (path.parent / place).resolve() if place else path
        assert target.exists(), f"{link}: there is no {target}"
        assert target.is_relative_to(PROJECT), f"{link} is outside the project"
        if anchor:
            assert anchor in anchors(target), f"{link}: no such heading"


def test_every_page_is_reached_from_the_index() -> None:
    """docs/README.md links every page, or names the file of a generated one.

    Conclusions are not pages: another page includes them.
    """
    seen, waiting = set(), [INDEX]
    while waiting:
        page = waiting.pop()
        if page in seen:
            continue
        seen.add(page)
        near = [(page.parent / link.partition("#")[0]).resolve() for link in links(page)]
        waiting += [path for path in near if path.suffix == ".md" and path.exists()]
    named = INDEX.read_text()
    pages = [
        path
        for path in DOCUMENTS
        if path.is_relative_to(INDEX.parent) and not path.stem.endswith("conclusions")
    ]
    lost = [p for p in pages if p not in seen and f"`{p.relative_to(INDEX.parent)}`" not in named]
    assert not lost, f"link them in {_name(INDEX)}"


def test_every_decision_is_in_the_index() -> None:
    """docs/README.md links every decision."""
    decisions = {f"decisions/{path.name}" for path in (INDEX.parent / "decisions").glob("*.md")}
    assert decisions <= set(links(INDEX))


def test_every_documented_target_exists() -> None:
    """Every `make TARGET` in the documents is in the Makefile."""
    known = targets()
    for path in DOCUMENTS:
        for code in re.findall(r"`([^`\n]+)`", prose(path)):
            called = re.match(r"(?:[A-Z_]+=\S+ )*make ([a-z][a-z -]*)", code)
            for word in called[1].split() if called else ():
                assert word in known, f"{_name(path)}: {code}"


def test_help_explains_every_target_in_80_columns() -> None:
    """The help has every target except those that are steps of others."""
    run = subprocess.run(
        ["make", "help"],  # noqa: S607 - make of the path
        cwd=PROJECT,
        capture_output=True,
        text=True,
        check=True,
    )
    explained = set(re.findall(r"^  make (\S+) +\S", run.stdout, re.MULTILINE))
    assert explained == targets() - {"port"}
    table = run.stdout.partition("\nvariables:")[0]
    assert max(map(len, table.splitlines())) <= 80


def test_the_readme_is_short_and_its_layout_true() -> None:
    """Its layout lists exactly the files and folders at the top of the project."""
    readme = (PROJECT / "README.md").read_text()
    assert len(readme.splitlines()) < LONGEST_README
    (layout,) = (b for b in blocks() if b.document == "README.md" and b.info == "text")
    listed = {line.split()[0].rstrip("/") for line in layout.text.splitlines()}
    if not (PROJECT / ".git").exists():
        pytest.skip("needs git to know what belongs to the project")
    run = subprocess.run(
        ["git", "ls-files"],  # noqa: S607 - git of the path
        cwd=PROJECT,
        capture_output=True,
        text=True,
        check=True,
    )
    there = {line.partition("/")[0] for line in run.stdout.splitlines()}
    assert listed == {name for name in there if not name.startswith(".")} - {"README.md"}


def test_pictures_are_light() -> None:
    """Every picture is smaller than the limit, so that pages load on a slow connection."""
    for path in (PROJECT / "docs").rglob("*.png"):
        assert path.stat().st_size < LARGEST_PICTURE, path
