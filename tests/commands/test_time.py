"""The Time menu: going along, ranges, the frame rate, markers, keys in time, clips and strips."""

from __future__ import annotations

from typing import Any

import pytest

from studio.commands.studio import Studio
from studio.errors import UsageError
from studio.scene.timeline import Marker


@pytest.fixture
def studio() -> Studio:
    """A lamp with keys at 1, 13 and 25, moving along x."""
    made = Studio()
    made.run("time.set_range", first=1, last=48)
    made.run("create.point_light")
    lamp = made.selection[0]
    for frame, x in ((1.0, 0.0), (13.0, 1.0), (25.0, 2.0)):
        made.frame = frame
        made.run("time.key_translation")
        with made.document.edit("place") as edit:
            edit.replace(lamp, translation=(x, 0.0, 0.0))
    return made


def times(studio: Studio, field: str = "translation") -> list[float]:
    return studio.scene.tracks[f"{studio.selection[0]}.{field}"].times.tolist()


def test_going_along_keys_frames_and_ends(studio: Studio) -> None:
    studio.frame = 13.0
    for id_, frame in (
        ("next_key", 25.0),
        ("next_key", 25.0),
        ("previous_key", 13.0),
        ("next", 14.0),
        ("previous", 13.0),
    ):
        studio.run(f"time.{id_}")
        assert studio.frame == frame
    studio.run("time.end")
    assert studio.frame == 48.0
    studio.run("time.start")
    assert studio.frame == 1.0
    studio.frame = 3.4
    studio.run("time.next")
    assert studio.frame == 4.0


def test_markers_are_added_named_gone_to_and_deleted(studio: Studio) -> None:
    studio.run("time.add_marker", frame=30.0, name="cut")
    studio.run("time.add_marker", frame=10.0)
    assert [m.frame for m in studio.scene.timeline.markers] == [10.0, 30.0]
    studio.frame = 12.0
    studio.run("time.rename_marker", name="hit")
    studio.run("time.next_marker")
    assert studio.frame == 30.0
    studio.run("time.previous_marker")
    assert studio.frame == 10.0
    studio.run("time.remove_marker")
    assert studio.scene.timeline.markers == (Marker(frame=30.0, name="cut"),)
    studio.run("edit.undo")
    assert len(studio.scene.timeline.markers) == 2


def test_a_range_that_ends_before_it_starts_is_refused(studio: Studio) -> None:
    with pytest.raises(UsageError, match="before it starts"):
        studio.run("time.set_range", first=10, last=5)
    studio.run("time.range_of_keys")
    assert (studio.scene.frame_start, studio.scene.frame_end) == (1.0, 25.0)
    studio.run("time.preview", first=5.0, last=9.0)
    assert studio.scene.timeline.preview == (5.0, 9.0)
    studio.run("time.clear_preview")
    assert studio.scene.timeline.preview is None


def test_a_new_frame_rate_keeps_keys_at_their_seconds_or_frames(studio: Studio) -> None:
    studio.run("time.add_marker", frame=13.0)
    studio.run("time.set_fps", fps=48.0, keep="seconds")
    assert times(studio) == [1.0, 25.0, 49.0] and studio.scene.timeline.markers[0].frame == 25.0
    assert studio.scene.frame_end == 96.0 and studio.scene.fps == 48.0
    studio.run("edit.undo")
    assert times(studio) == [1.0, 13.0, 25.0] and studio.scene.fps == 24.0
    studio.run("time.set_fps", fps=29.97, keep="frames")
    assert times(studio) == [1.0, 13.0, 25.0] and studio.scene.fps == 30000 / 1001


def test_the_frame_rate_asks_what_becomes_of_the_keys(studio: Studio) -> None:
    face: Any = studio.face
    face.answers.append("Cancel")
    studio.run("time.set_fps", fps=25.0)
    assert studio.scene.fps == 24.0 and len(face.questions) == 1


def test_keys_are_copied_pasted_shifted_and_scaled(studio: Studio) -> None:
    studio.run("time.copy_keys")
    studio.frame = 31.0
    studio.run("time.paste_keys")
    assert times(studio) == [1.0, 13.0, 25.0, 31.0, 43.0, 55.0]
    assert sum(len(rows) for rows in studio.picked.values()) == 3
    studio.run("time.shift_keys", frames=2.0)
    assert times(studio)[3:] == [33.0, 45.0, 57.0]
    studio.run("time.scale_keys", times=0.5, about=33.0)
    assert times(studio)[3:] == [33.0, 39.0, 45.0]
    studio.run("time.delete_keys")
    assert times(studio) == [1.0, 13.0, 25.0] and studio.picked == {}


def test_time_is_put_in_and_taken_out(studio: Studio) -> None:
    studio.run("time.add_marker", frame=20.0)
    studio.frame = 10.0
    studio.run("time.insert", frames=5.0)
    assert times(studio) == [1.0, 18.0, 30.0] and studio.scene.timeline.markers[0].frame == 25.0
    assert studio.scene.frame_end == 53.0
    studio.run("time.remove", frames=5.0)
    assert times(studio) == [1.0, 13.0, 25.0] and studio.scene.frame_end == 48.0


def test_set_key_keys_the_key_set(studio: Studio) -> None:
    lamp = studio.selection[0]
    studio.frame = 5.0
    studio.run("time.use_key_set", name="rotation")
    studio.run("time.key")
    assert times(studio, "rotation") == [5.0]
    studio.run("time.make_key_set", name="light", fields=(".intensity",))
    studio.run("time.key")
    assert studio.preferences.key_set == "set:light" and times(studio, "intensity") == [5.0]
    studio.run("time.delete_keys_here")
    assert f"{lamp}.intensity" not in studio.scene.tracks and f"{lamp}.translation" in studio.scene.tracks
    studio.run("time.delete_key_set", name="light")
    studio.run("time.key")  # of a set that is gone the transform is meant
    assert {f"{lamp}.{name}" for name in ("translation", "rotation", "scale")} <= studio.scene.tracks.keys()


def test_a_pick_does_not_outlive_its_keys(studio: Studio) -> None:
    track = f"{studio.selection[0]}.translation"
    studio.picked = {track: (0, 2, 9), "gone.x": (1,)}
    assert studio.picked == {track: (0, 2)}
    studio.run("time.delete_keys_here")  # at 25: another key has its number now
    assert studio.picked == {}


def test_keys_become_a_clip_with_a_strip_and_keys_again(studio: Studio) -> None:
    lamp = studio.selection[0]
    studio.frame = 7.0
    before = studio.posed.entities[lamp].translation
    studio.run("time.make_clip", name="walk")
    (strip,) = studio.scene.strips.values()
    assert not studio.scene.tracks and studio.scene.clips[strip.clip].name == "walk"
    assert studio.posed.entities[lamp].translation == pytest.approx(before)
    studio.chosen_strips = (strip.id,)
    studio.frame = 13.0
    studio.run("time.split_strips")
    assert len(studio.scene.strips) == 2
    studio.run("time.mute_strips")
    studio.run("edit.undo")
    studio.run("time.bake_strips")
    assert not studio.scene.strips and studio.scene.tracks
    studio.frame = 7.0
    assert studio.posed.entities[lamp].translation == pytest.approx(before, abs=1e-6)


def test_a_second_strip_takes_a_free_layer(studio: Studio) -> None:
    studio.run("time.make_clip", name="walk")
    clip = next(iter(studio.scene.clips))
    made = studio.run("time.add_strip", clip=clip, start=10.0)
    assert studio.scene.strips[str(made)].layer == 1
    made = studio.run("time.add_strip", clip=clip, start=100.0)
    assert studio.scene.strips[str(made)].layer == 0
    with pytest.raises(UsageError, match="no clip"):
        studio.run("time.add_strip", clip="dance")
