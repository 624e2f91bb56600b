"""Frames that wait for their movie: they go when it is whole, and where they cannot be is a sentence."""

from __future__ import annotations

from pathlib import Path

import pytest

from studio.errors import CannotWrite
from studio.render.frames import frame_path
from studio.render.kept_frames import check_place, drop_kept, kept_pattern


def test_a_frame_that_cannot_be_removed_keeps_no_other(tmp_path: Path) -> None:
    pattern = kept_pattern(tmp_path / "shot.mp4")
    frame_path(pattern, 1).mkdir(parents=True)  # which no system unlinks, as Windows no file that somebody has open
    for frame in (2, 3):
        frame_path(pattern, frame).write_bytes(b"")
    drop_kept(tmp_path / "shot.mp4", [1, 2, 3])
    assert [path.name for path in pattern.parent.iterdir()] == ["000001.exr"]
    frame_path(pattern, 1).rmdir()
    drop_kept(tmp_path / "shot.mp4", [1, 2, 3])
    assert not pattern.parent.exists()


def test_a_movie_that_cannot_be_written_is_a_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "folder.mp4").mkdir()
    with pytest.raises(CannotWrite, match=r"folder\.mp4: it is a folder"):
        check_place(tmp_path / "folder.mp4")

    look = Path.is_dir

    def refused(path: Path) -> bool:
        if path.suffix == ".mp4":
            raise OSError(36, "File name too long")  # where a system says so; others say that there is none
        return look(path)

    monkeypatch.setattr(Path, "is_dir", refused)
    with pytest.raises(CannotWrite, match=r"x\.mp4: file name too long; choose another name"):
        check_place(tmp_path / f"{'x' * 300}.mp4")
