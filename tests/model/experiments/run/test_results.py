"""Check that results are kept for later processes."""

from __future__ import annotations

from pathlib import Path

from model.experiments.run.results import ResultStore, fingerprint


def test_records_are_there_when_opened_again(tmp_path: Path) -> None:
    """A later store of the same file has the record under its key."""
    path = tmp_path / "deep" / "ledger.jsonl"
    ResultStore(path).add("a", {"auc": 0.7})
    again = ResultStore(path)
    assert again.get("a") == {"key": "a", "auc": 0.7}
    assert again.get("b") is None


def test_an_incomplete_line_is_removed(tmp_path: Path) -> None:
    """Only the incomplete last record is lost; the next record is on a line of its own."""
    path = tmp_path / "ledger.jsonl"
    store = ResultStore(path)
    store.add("a", {"auc": 0.7})
    with path.open("ab") as file:
        file.write(b'{"key":"b","au')
    repaired = ResultStore(path)
    assert len(repaired) == 1
    repaired.add("c", {"auc": 0.8})
    assert [ResultStore(path).get(key) is not None for key in "abc"] == [True, False, True]


def test_a_fingerprint_depends_on_every_part() -> None:
    """Equal parts have equal fingerprints, and different parts different ones."""
    assert fingerprint("a", 1) == fingerprint("a", 1)
    assert len({fingerprint("a", 1), fingerprint("a", "1"), fingerprint("a1")}) == 3
