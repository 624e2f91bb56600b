"""The session: any split gives the same bits, a dead worker is replaced, and adaptive sampling decides by blocks."""

from __future__ import annotations

import os
import signal
from dataclasses import replace

import numpy as np
import pytest

from studio.errors import DeviceFault, OutOfDeviceMemory, Unsupported, UsageError
from studio.render import device
from studio.render.film import Film, plan_layout
from studio.render.protocol import Begin, Stop
from studio.render.session import INTERRUPTED, OUT_OF_TIME, RenderSession, layout_of
from studio.scene.flatten import flatten
from tests.render.stage import HEIGHT, WIDTH, same_bits, settings, stage

AOVS = ("depth", "albedo", "emission", "motion", "crypto_object")


@pytest.fixture(scope="module")
def session():
    with RenderSession(device="cpu", threads=2) as made:
        yield made


@pytest.fixture(scope="module")
def flat():
    return flatten(stage(), 1)


@pytest.fixture(scope="module")
def whole(session, flat):
    """The render that every split must equal."""
    return session.render_frame(flat, settings(aovs=AOVS, light_groups=True)).film


def merged(parts, like: Film) -> Film:
    film = Film.of(like.layout)
    for part in parts:
        part.merge_into(film)
    film.settle()
    return film


def test_a_render_has_light_and_every_sample(whole):
    assert whole.counts.min() == whole.counts.max() == 8
    assert np.isfinite(whole.beauty()).all() and whole.luminance().mean() > 0.01
    assert whole.names("light_keys") and whole.rgb("albedo").max() > 0.5


def test_tiles_add_up_to_the_whole_bit_by_bit(session, flat, whole):
    tiles = [(0, 0, 29, 17), (29, 0, WIDTH, 17), (0, 17, 40, HEIGHT), (40, 17, WIDTH, HEIGHT)]
    asked = [settings(aovs=AOVS, light_groups=True, crop=tile) for tile in reversed(tiles)]
    assert same_bits(merged([session.render_frame(flat, one).film for one in asked], whole), whole)


def test_sample_ranges_add_up_to_the_whole_bit_by_bit(session, flat, whole):
    ranges = [(5, 3), (0, 1), (1, 4)]
    asked = [settings(aovs=AOVS, light_groups=True, first_sample=first, samples=n) for first, n in ranges]
    assert same_bits(merged([session.render_frame(flat, one).film for one in asked], whole), whole)


def test_more_samples_of_the_same_frame_load_and_learn_nothing_again(session, flat, monkeypatch):
    session.render_frame(flat, settings(samples=1))
    sent = []
    send = session._worker.send
    monkeypatch.setattr(session._worker, "send", lambda message: (sent.append(message), send(message)))
    session.render_frame(flat, settings(first_sample=1, samples=1))
    session.render_frame(flat, settings(first_sample=2, samples=1, depth=2))
    kinds = [type(message).__name__ for message in sent if not isinstance(message, Stop)]
    assert kinds == ["Begin", "Render", "Load", "Begin", "Render"], "another depth is another frame"
    assert [m.again for m in sent if isinstance(m, Begin)] == [True, False]


def test_the_number_of_threads_does_not_show(flat, whole):
    with RenderSession(device="cpu", threads=1) as alone:
        assert same_bits(alone.render_frame(flat, settings(aovs=AOVS, light_groups=True)).film, whole)


def test_what_was_rendered_before_does_not_show(session, flat, whole):
    session.render_frame(flatten(stage().remove(["wall", "fill"]), 2), settings())
    assert same_bits(session.render_frame(flat, settings(aovs=AOVS, light_groups=True)).film, whole)


def test_an_interrupted_render_goes_on_to_the_same_bits(session, flat):
    asked = settings(samples=40)
    straight = session.render_frame(flat, asked).film
    heard = []
    first = session.render_frame(
        flat, asked, progress=heard.append, stop=lambda: INTERRUPTED if heard and heard[-1].samples >= 16 else ""
    )
    assert first.stopped == INTERRUPTED
    assert 16 <= first.film.counts.min() == first.film.counts.max() < 40
    second = session.render_frame(flat, asked, film=first.film)
    assert second.stopped == "" and same_bits(second.film, straight)


def test_out_of_time_still_adds_a_sample(session, flat):
    result = session.render_frame(flat, settings(samples=100_000), stop=lambda: OUT_OF_TIME)
    assert result.stopped == OUT_OF_TIME and 1 <= result.film.counts.min() < 100_000


def test_a_dead_worker_is_replaced_and_the_bits_are_the_same(flat, session):
    asked = settings(samples=64)
    straight = session.render_frame(flat, asked).film
    victims = []

    def kill_once(progress):
        if progress.samples >= 16 and not victims:
            victims.append(session.worker_pid)
            os.kill(session.worker_pid, signal.SIGTERM if os.name == "nt" else signal.SIGKILL)

    result = session.render_frame(flat, asked, progress=kill_once)
    assert victims and session.worker_pid not in victims
    assert result.stopped == "" and same_bits(result.film, straight)


@pytest.mark.skipif(os.name != "posix", reason="kills by signal")
def test_a_worker_that_dies_twice_is_a_device_fault():
    with RenderSession(device="cpu", threads=1) as doomed:
        doomed._listener = lambda event: os.kill(doomed.worker_pid, signal.SIGKILL)
        with pytest.raises(DeviceFault, match=r"ended twice \(signal 9"):
            doomed.warm_up()


def test_adaptive_sampling_reaches_its_error_and_spends_less(session, flat):
    result = session.render_frame(flat, settings(samples=512, error=0.05))
    film = result.film
    counts, error = film.counts, film.error(8)
    blocks = counts.reshape(HEIGHT // 8, 8, WIDTH // 8, 8)
    assert (blocks == blocks[:, :1, :, :1]).all()
    assert counts.min() < counts.max()
    assert set(np.unique(counts)) <= {16, 32, 64, 128, 256, 512}
    finished = blocks[:, 0, :, 0] < 512
    assert finished.any() and (error[finished] <= 0.05).all()


def test_adaptive_tiles_of_whole_blocks_add_up_bit_by_bit(session, flat):
    straight = session.render_frame(flat, settings(samples=128, error=0.05)).film
    halves = [(0, 0, 24, HEIGHT), (24, 0, WIDTH, HEIGHT)]
    parts = [session.render_frame(flat, settings(samples=128, error=0.05, crop=half)).film for half in halves]
    assert same_bits(merged(parts, straight), straight)


def test_an_interrupted_adaptive_render_goes_on_to_the_same_bits(session, flat):
    asked = settings(samples=256, error=0.05)
    straight = session.render_frame(flat, asked).film
    heard = []
    first = session.render_frame(
        flat, asked, progress=heard.append, stop=lambda: INTERRUPTED if heard and heard[-1].samples > 32 else ""
    )
    assert first.stopped and first.film.counts.max() < 256
    assert same_bits(session.render_frame(flat, asked, film=first.film).film, straight)


def test_a_scene_without_lights_is_black_and_says_so(session):
    dark = flatten(stage().remove(["key", "fill", "panel"]), 1)
    assert any("no lights" in warning for warning in dark.warnings)
    film = session.render_frame(dark, settings()).film
    assert film.luminance().max() == 0.0 and film.value("A").max() == 1.0


def test_a_scene_without_a_camera_is_framed_and_says_so(session):
    framed = flatten(stage().remove(["camera"]), 1)
    assert any("camera" in warning for warning in framed.warnings)
    assert session.render_frame(framed, settings()).film.luminance().max() > 0.0


def test_an_empty_scene_renders(session):
    film = session.render_frame(flatten(stage().remove(list(stage().entities)), 1), settings()).film
    assert film.counts.min() == 8 and film.beauty().max() == 0.0


def test_a_film_that_cannot_fit_is_refused_before_anything_is_allocated(flat):
    with pytest.raises(OutOfDeviceMemory, match="crops"):
        layout_of(flat, settings(width=40_000, height=40_000))


def test_layouts_follow_the_switches(flat):
    asked = layout_of(flat, settings(cryptomatte=True, light_groups=True))
    assert asked.mattes == ("object", "material")
    expected = plan_layout(
        WIDTH,
        HEIGHT,
        aovs=("lights", "crypto_object", "crypto_material"),
        light_groups=flat.light_groups,
        exponent=asked.exponent,
    )
    assert asked == expected


def test_a_render_can_be_given_up_while_it_compiles_and_the_session_goes_on(flat):
    asked = settings(samples=2)
    with RenderSession(device="cpu", threads=1) as fresh:
        result = fresh.render_frame(flat, asked, stop=lambda: INTERRUPTED)
        assert result.stopped == INTERRUPTED and result.film.counts.max() == 0
        assert fresh.render_frame(flat, asked).film.counts.min() == 2


def test_a_fault_of_the_worker_is_raised_as_it_was_and_the_session_goes_on(session, flat, whole):
    broken = replace(flat, instances=flat.instances["mesh"].copy())  # no such rows: the worker stumbles over them
    with pytest.raises(DeviceFault, match="renderer failed"):
        session.render_frame(broken, settings())
    assert same_bits(session.render_frame(flat, settings(aovs=AOVS, light_groups=True)).film, whole)


def test_devices_that_are_not_there_are_refused_by_name(monkeypatch):
    with pytest.raises(UsageError, match="'gpu'"):
        device.candidates("gpu")
    monkeypatch.setattr(device, "devices", lambda: (device._cpu(),))
    with pytest.raises(Unsupported, match="cuda"):
        device.candidates("cuda")
    assert device.candidates("auto") == ("cpu",)


def test_auto_leaves_out_a_vulkan_that_is_a_cpu_in_disguise(monkeypatch):
    lavapipe = device.DeviceInfo("vulkan", "llvmpipe", "llvmpipe/1/software")
    real = device.DeviceInfo("vulkan", "Arc", "Arc/1")
    for found, expected in ((lavapipe, ("cpu",)), (real, ("vulkan", "cpu"))):
        monkeypatch.setattr(device, "devices", lambda found=found: (found, device._cpu()))
        assert device.candidates("auto") == expected
