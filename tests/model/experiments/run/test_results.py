"""Results survive the process that made them."""

from __future__ import annotations

from pathlib import Path

from model.experiments.run.results import ResultStore, fingerprint


def test_records_are_there_when_opened_again(tmp_path: Path) -> None:
    """What was added is found by the next process, under the same key."""
    path = tmp_path / "deep" / "ledger.jsonl"
    ResultStore(path).add("a", {"auc": 0.7})
    again = ResultStore(path)
    assert again.get("a") == {"key": "a", "auc": 0.7}
    assert again.get("b") is None


def test_a_line_that_was_cut_off_is_dropped(tmp_path: Path) -> None:
    """A process killed while writing loses that record alone; the next one writes on a new line."""
    path = tmp_path / "ledger.jsonl"
    ledger = ResultStore(path)
    ledger.add("a", {"auc": 0.7})
    with path.open("ab") as file:
        file.write(b'{"key":"b","au')
    mended = ResultStore(path)
    assert len(mended) == 1
    mended.add("c", {"auc": 0.8})
    assert [ResultStore(path).get(key) is not None for key in "abc"] == [True, False, True]


def test_a_fingerprint_tells_parts_apart() -> None:
    """Other parts, another fingerprint; the same parts, the same one in every process."""
    assert fingerprint("a", 1) == fingerprint("a", 1)
    assert len({fingerprint("a", 1), fingerprint("a", "1"), fingerprint("a1")}) == 3
