"""Parse the project's documents: blocks, commands, links, headings."""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.support.server import PROJECT

MADE = {"reports", "build", "dist", "node_modules"}
_FENCE = re.compile(
    r"(?P<reason><!-- not run: [^>]+ -->\n)?^```(?P<info>.*)\n(?P<text>(?:(?!```).*\n)*)^```$",
    re.MULTILINE,
)
_LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)|(?:src|href)=\"([^\"]+)\"")


@dataclass(frozen=True)
class Block:
    """Fenced block.

    Attributes
    ----------
    info
        Text after the opening fence.
    reason
        Whether a comment before it says why it is not run.
    """

    document: str
    line: int
    info: str
    text: str
    reason: bool

    def __str__(self) -> str:
        return f"{self.document}:{self.line}"


@dataclass(frozen=True)
class Command:
    """Command of a block, and its words without variables and redirections."""

    block: Block
    raw: str
    words: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.block}: {' '.join(self.words[:3])}"


def documents() -> list[Path]:
    """Return all documents of the project, sorted by path."""
    found = []
    for folder, inside, files in os.walk(PROJECT):
        inside[:] = [name for name in inside if not name.startswith(".") and name not in MADE]
        found += [Path(folder) / name for name in files if name.endswith(".md")]
    return sorted(found)


def blocks() -> list[Block]:
    """Return all fenced blocks of all documents."""
    return [block for path in documents() for block in _blocks_of(path)]


def _blocks_of(path: Path) -> Iterator[Block]:
    text, name = path.read_text(), str(path.relative_to(PROJECT))
    for found in _FENCE.finditer(text):
        line = text.count("\n", 0, found.start("info")) + 1
        yield Block(name, line, found["info"].strip(), found["text"], found["reason"] is not None)


def commands(block: Block) -> list[Command]:
    """Return the commands of a shell block."""
    found, pending = [], ""
    for line in block.text.splitlines():
        pending += line + "\n"
        try:
            words = shlex.split(pending, comments=True)
        except ValueError:  # a quotation continues on the next line
            continue
        if not line.endswith("\\"):
            found += [Command(block, pending.strip(), part) for part in _parts(words)]
            pending = ""
    assert not pending, f"{block}: a quotation does not end"
    return found


def _parts(words: list[str]) -> Iterator[tuple[str, ...]]:
    """Yield the words of each command joined by `&&`, `|` or `;`."""
    line = "\0".join(words)
    for part in re.split("\0(?:&&|\\||;)\0", line):
        command = part.split("\0")
        while command and re.match(r"[A-Z_]+=", command[0]):
            command.pop(0)
        if ">>" in command:
            del command[command.index(">>") :]
        if command and command[0]:
            yield tuple(command)


def prose(path: Path) -> str:
    """Return a document without its blocks."""
    return _FENCE.sub("", path.read_text())


def links(path: Path) -> list[str]:
    """Return the links of a document's prose."""
    text = re.sub(r"`[^`\n]*`", "code", prose(path))
    return [first or second for first, second in _LINK.findall(text)]


def anchors(path: Path) -> set[str]:
    """Return the anchors of a document's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", prose(path), re.MULTILINE)
    plain = [
        re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).strip().lower() for heading in headings
    ]
    return {re.sub(r"[^\w\- ]", "", heading).replace(" ", "-") for heading in plain}


def targets() -> set[str]:
    """Return the names of the Makefile's targets."""
    return set(re.findall(r"^\.PHONY: (\S+)$", (PROJECT / "Makefile").read_text(), re.MULTILINE))
