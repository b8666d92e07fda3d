from __future__ import annotations

import json

import pytest

from seethink.cli.app import main


def test_check_names_the_verifier_as_it_was_typed(tmp_path, capsys):
    (tmp_path / "my.jsonl").write_text(
        json.dumps({"question": "Where?", "answer": "a cup"}) + "\n", encoding="utf-8"
    )
    for name in ("box_iou", "consistent", "same_choice@vlm_r1"):
        with pytest.raises(SystemExit):
            main(["check", str(tmp_path / "my.jsonl"), "--verifier", name, "--json"])
        assert name in capsys.readouterr().out
