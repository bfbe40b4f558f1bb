"""The check of a cluster's storage, node by node; tests/faults/test_cluster.py asks real nodes."""

from pathlib import Path

import pytest

from resray.errors import InputError
from resray.run.storage import answer, answer_file, token_in


def test_a_node_that_has_the_folder_leaves_an_answer(tmp_path: Path) -> None:
    folder = tmp_path / "results" / "checkpoints"
    with token_in(folder) as token:
        assert answer(token, "node-1", data_dir=tmp_path) is None
        assert answer_file(token, "node-1").read_text() == token.name
        assert len(list(folder.iterdir())) == 2
    assert list(folder.iterdir()) == [], "nothing is left behind"


def test_nothing_is_left_behind_when_the_check_breaks_off(tmp_path: Path) -> None:
    def broken_off() -> None:
        with token_in(tmp_path) as token:
            answer(token, "node-1", None)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        broken_off()
    assert list(tmp_path.iterdir()) == []


def test_a_node_without_the_folder_says_which(tmp_path: Path) -> None:
    complaint = answer(tmp_path / "missing" / "token", "node-1", None)
    assert complaint is not None
    assert complaint.startswith(f"does not see {tmp_path / 'missing'}; ")
    assert "--out DIR" in complaint


def test_a_folder_of_the_same_path_is_not_enough(tmp_path: Path) -> None:
    complaint = answer(tmp_path / "token-of-another-machine", "node-1", None)
    assert complaint is not None
    assert complaint.startswith(f"has another folder at {tmp_path}; ")
    assert list(tmp_path.iterdir()) == []


def test_a_node_that_may_not_write_says_why(tmp_path: Path) -> None:
    with token_in(tmp_path) as token:
        # Also root cannot write a file where a folder is.
        answer_file(token, "node-1").mkdir()
        complaint = answer(token, "node-1", None)
        answer_file(token, "node-1").rmdir()
    assert complaint == f"cannot use {answer_file(token, 'node-1')}: Is a directory"


def test_a_node_needs_the_data_too(tmp_path: Path) -> None:
    with token_in(tmp_path) as token:
        complaint = answer(token, "node-1", tmp_path / "images")
    assert complaint is not None
    assert complaint.startswith(f"does not see {tmp_path / 'images'}; ")
    assert "--data-dir" in complaint


def test_a_folder_that_cannot_be_made_is_the_users_mistake(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with (
        pytest.raises(InputError, match=r"checkpoints: cannot be written .*--out DIR"),
        token_in(tmp_path / "file" / "checkpoints"),
    ):
        pass
