import json
from pathlib import Path

import numpy as np
import pytest

from bench.refusals import main, refusals
from huggingface_ner.bootstrap import Counts


def _counts(recall: float, texts: int = 220) -> Counts:
    correct = np.random.default_rng(int(100 * recall)).binomial(2, recall, texts)
    return np.stack([correct, correct, np.full(texts, 2)], axis=-1)


def test_a_better_version_is_refused_by_the_old_rule_only() -> None:
    gold, before, now = refusals(_counts(0.5), _counts(0.6), 4, draws=200, f1_tolerance=0.05)
    assert gold == 8
    assert before > 0.1
    assert now < 0.02


def test_a_version_that_is_much_worse_is_refused_by_both() -> None:
    assert refusals(_counts(0.8), _counts(0.4), 100, draws=20, f1_tolerance=0.05) == (200, 1.0, 1.0)


def test_pairs_of_one_corpus_are_compared(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = {"A, 100 texts": 0.50, "A, 200 texts": 0.54, "B, 100 texts": 0.9}
    saved = {row: _counts(recall)[None].tolist() for row, recall in rows.items()}
    (tmp_path / "results.json").write_text(json.dumps(saved))
    main(["--results", str(tmp_path / "results.json"), "--draws", "2"])
    lines = capsys.readouterr().out.splitlines()[1:]
    assert {tuple(line.split()[:2]) for line in lines} == {("-0.09", "1"), ("+0.09", "1"), ("broken", "3")}
