"""The live render: newest scene first, geometry kept, the final render's bits, and a worker that may die."""

from __future__ import annotations

import os
import signal
import threading
from pathlib import Path

import numpy as np
import pytest

from studio.errors import UsageError
from studio.render.film import Film
from studio.render.interactive import InteractiveRender
from studio.render.live_frame import LiveFrame
from studio.render.live_lamps import lamp_names
from studio.render.session import RenderSession
from studio.scene.flatten import flatten
from tests.render.stage import HEIGHT, WIDTH, settings, stage

PATIENCE_S = 120  # before a hang is called one
pytestmark = pytest.mark.slow


class Watched:
    """A live render and everything that it has said."""

    def __init__(self, **options) -> None:
        self.condition = threading.Condition()
        self.frames: list[LiveFrame] = []
        self.view = InteractiveRender(device="cpu", threads=2, notify=self._hear, **options)

    def _hear(self) -> None:
        with self.condition:
            frame = self.view.latest()
            if frame is not None:
                self.frames.append(frame)
            self.condition.notify_all()

    def until(self, what, *, since: int = 0) -> LiveFrame:
        """The first frame from the `since`th on for which `what` holds."""

        def found() -> LiveFrame | None:
            return next((frame for frame in self.frames[since:] if what(frame)), None)

        with self.condition:
            assert self.condition.wait_for(lambda: found() is not None, PATIENCE_S), self.frames[-1:]
            return found()

    def finished(self, generation: int) -> LiveFrame:
        return self.until(lambda f: f.shows == generation and f.complete and f.exact)

    def film(self) -> Film | None:
        """The film as it stands."""
        done, got = threading.Event(), []
        self.view.take_film(lambda film, frame: (got.append(film), done.set()))
        assert done.wait(PATIENCE_S)
        return got[0]


@pytest.fixture(scope="module")
def live():
    watched = Watched()
    yield watched
    watched.view.close()


@pytest.fixture(scope="module")
def scene():
    return stage()


@pytest.fixture(scope="module")
def flat(scene):
    return flatten(scene, 1)


def test_a_finished_live_film_has_the_bits_of_a_final_render(live, flat):
    asked = settings(aovs=("depth", "albedo", "normal"), light_groups=True)  # with the guides that a live film has
    frame = live.finished(live.view.show(flat, asked))
    film = live.film()
    with RenderSession(device="cpu", threads=2) as session:
        whole = session.render_frame(flat, asked).film
    assert frame.samples == 8 and frame.state == "done" and frame.step == 1
    for name in (channel.name for channel in whole.channels):
        theirs = whole.sums[..., [c.name for c in whole.channels].index(name)]
        ours = film.sums[..., [c.name for c in film.channels].index(name)]
        assert np.array_equal(ours, theirs), name
    assert np.array_equal(film.squares, whole.squares) and np.array_equal(film.minima, whole.minima)
    assert np.allclose(frame.layers["beauty"], whole.beauty(), rtol=1e-5, atol=1e-7)


def test_an_edited_scene_ends_in_the_bits_of_its_own_final_render(live, scene, flat):
    live.finished(live.view.show(flat, settings()))
    moved = scene.replace("key", translation=(0.5, 2.0, 1.0), intensity=55.0).replace("fill", intensity=1.0)
    after = flatten(moved, 1, previous=flat)
    live.finished(live.view.show(after, settings()))
    film = live.film()
    with RenderSession(device="cpu", threads=2) as session:
        whole = session.render_frame(flatten(moved, 1), settings()).film
    assert np.array_equal(film.sums[..., :4], whole.sums) and np.array_equal(film.squares, whole.squares)


def test_a_light_edit_sends_one_section_and_rebuilds_no_geometry(live, scene, flat):
    live.finished(live.view.show(flat, settings()))
    sent = []
    packer = live.view._hand._packer
    pack = packer.pack
    packer.pack = lambda *args: sent.append(pack(*args)) or sent[-1]
    try:
        dimmed = flatten(scene.replace("key", intensity=7.0), 1, previous=flat)
        generation = live.view.show(dimmed, settings())
        frame = live.until(lambda f: f.shows == generation)
        live.finished(generation)
    finally:
        packer.pack = pack
    ((message, _),) = sent
    assert frame.rebuilt == ("lights", "surfaces")
    assert not message.meshes and not message.images and message.camera is None
    assert list(message.arrays) == [message.sections["lights"]]


def test_a_material_edit_rebuilds_neither_geometry_nor_lights(live, scene, flat):
    live.finished(live.view.show(flat, settings()))
    painted = flatten(scene.replace("grey", base_color=(0.1, 0.5, 0.1)), 1, previous=flat)
    generation = live.view.show(painted, settings())
    assert live.until(lambda f: f.shows == generation).rebuilt == ("surfaces",)
    live.finished(generation)


def test_dimming_and_silencing_a_glowing_mesh_rebuilds_no_geometry(live, scene, flat):
    live.finished(live.view.show(flat, settings()))
    for changed in (scene.replace("glow", emission_luminance=9.0), scene.replace("key", solo=True)):
        generation = live.view.show(flatten(changed, 1, previous=flat), settings())
        assert "geometry" not in live.until(lambda f, g=generation: f.shows == g).rebuilt
        live.finished(generation)


def test_a_camera_edit_rebuilds_nothing(live, scene, flat):
    live.finished(live.view.show(flat, settings()))
    turned = flatten(scene.replace("camera", translation=(0.4, 1.2, 4.0)), 1, previous=flat)
    generation = live.view.show(turned, settings())
    assert live.until(lambda f: f.shows == generation).rebuilt == ()
    live.finished(generation)


def test_another_size_depth_or_layer_needs_no_scene(live, flat):
    live.finished(live.view.show(flat, settings()))
    sent = live.view._hand._packer._next
    generation = live.view.show(flat, settings(width=50, height=30, depth=3))
    assert live.finished(generation).size == (50, 30)
    live.view.wanted = ("depth", "direct_diffuse", "light_keys", "crypto_object", "variance", "samples")
    frame = live.until(lambda f: f.complete and "light_keys" in f.layers, since=len(live.frames))
    live.view.wanted = ()
    assert live.view._hand._packer._next == sent
    assert frame.layers["depth"].shape == (30, 50, 1) and np.isfinite(frame.layers["depth"]).any()
    assert frame.layers["crypto_object"].max() > 0.2 and frame.layers["samples"].max() == 8
    assert frame.layers["light_keys"].mean() > 0 and frame.layers["variance"].max() > 0


def test_wishes_that_come_faster_than_the_worker_reads_do_no_harm(live, scene, flat):
    live.finished(live.view.show(flat, settings(aovs=("depth", "uv"))))
    for k in range(12):
        live.view.wanted = ("depth",) if k % 2 else ("uv", "depth")
        live.view.region = (0, 0, 8 + k, 8)
        live.view.interacting = bool(k % 3)
    brighter = flatten(scene.replace("key", intensity=300.0), 1, previous=flat)  # another exponent, another film
    live.view.region, live.view.wanted, live.view.interacting = None, (), False
    since = len(live.frames)
    live.finished(live.view.show(brighter, settings()))
    assert not [f for f in live.frames[since:] if f.state == "failed"]


def test_the_newest_scene_wins_and_the_caller_is_not_kept(live, scene, flat):
    last = flat
    for k in range(30):
        last = flatten(scene.replace("key", intensity=10.0 + k), 1, previous=last)
        generation = live.view.show(last, settings())
    frame = live.finished(generation)
    assert frame.flat is last
    shown = {f.shows for f in live.frames if f.shows > generation - 30}
    assert generation in shown and len(shown) < 30


def test_the_first_picture_is_coarse_and_fills_the_frame(live, flat):
    since = len(live.frames)
    generation = live.view.show(flat, settings(width=320, height=200, samples=1))
    first = live.until(lambda f: f.shows == generation, since=since)
    live.finished(generation)
    assert 0 < first.samples < 1 and (first.counts == 0).any()
    assert (first.layers["beauty"][..., 3][first.counts == 0] > 0).mean() > 0.5


def test_a_region_renders_its_own_pixels_only(live, scene, flat):
    live.finished(live.view.show(flat, settings()))
    before = live.view.latest().layers["beauty"]
    live.view.region = (8, 4, 24, 20)
    bright = flatten(scene.replace("key", intensity=200.0), 1, previous=flat)
    frame = live.finished(live.view.show(bright, settings()))
    inside = np.zeros((HEIGHT, WIDTH), bool)
    inside[4:20, 8:24] = True
    assert (frame.counts[inside] == 8).all() and (frame.counts[~inside] == 0).all()
    assert np.array_equal(frame.layers["beauty"][~inside], before[~inside])
    assert frame.layers["beauty"][inside][:, :3].mean() > 2 * before[inside][:, :3].mean()
    live.view.region = None
    whole = live.until(lambda f: f.complete and f.region is None, since=len(live.frames))
    assert (whole.counts == 8).all()


def test_a_region_beside_the_picture_is_done_at_once_and_holds_nothing_up(live, scene, flat):
    live.finished(live.view.show(flat, settings()))
    live.view.region = (WIDTH + 5, 0, WIDTH + 9, 9)
    darker = flatten(scene.replace("key", intensity=2.0), 1, previous=flat)
    generation = live.view.show(darker, settings())
    live.until(lambda f: f.generation == generation and f.state == "done")
    live.view.region = None
    live.finished(generation)


def test_a_pause_holds_and_resuming_goes_on(live, scene, flat):
    live.finished(live.view.show(flat, settings()))
    live.view.pause()
    generation = live.view.show(flat, settings(samples=100_000))
    since = len(live.frames)
    live.until(lambda f: f.state == "paused")
    live.view.resume()
    live.until(lambda f: f.shows == generation and f.samples > 8, since=since)
    live.view.pause()
    held = live.until(lambda f: f.state == "paused" and f.samples > 8, since=since)
    assert 8 < held.samples < 100_000 and held.eta > 0 and held.rays_per_second > 0
    edited = flatten(scene.replace("fill", intensity=3.0), 1, previous=flat)
    newer = live.view.show(edited, settings())
    assert live.view.latest().shows == generation
    live.view.resume()
    live.finished(newer)


def test_more_samples_go_on_where_fewer_ended(live, flat):
    live.finished(live.view.show(flat, settings()))
    since = len(live.frames)
    generation = live.view.show(flat, settings(samples=12))
    frame = live.until(lambda f: f.complete and f.of == 12, since=since)
    assert frame.samples == 12
    assert all(f.samples >= 8 for f in live.frames[since:] if f.shows == generation)


def test_a_worker_that_is_killed_is_replaced_and_the_view_goes_on(flat):
    watched = Watched()
    try:
        generation = watched.view.show(flat, settings(width=400, height=300, samples=100_000))
        watched.until(lambda f: f.shows == generation)
        os.kill(watched.view.worker_pid, signal.SIGKILL)
        notice = watched.until(lambda f: f.state == "restarting")
        assert "signal 9" in notice.message and notice.layers  # the picture stays
        since = len(watched.frames)
        watched.until(lambda f: f.state == "rendering" and f.number > notice.number, since=since)
    finally:
        watched.view.close()
    assert no_children() and not leftovers(watched)


def test_a_worker_that_dies_twice_is_a_failure_until_somebody_asks_again(flat):
    watched = Watched()
    try:
        watched.view.show(flat, settings())
        for _ in range(2):
            watched.until(lambda f: f.state == "starting" or (f.state == "restarting" and watched.view.worker_pid))
            pid = wait_for_pid(watched)
            os.kill(pid, signal.SIGKILL)
            watched.until(lambda f, pid=pid: watched.view.worker_pid != pid)
        failed = watched.until(lambda f: f.state == "failed")
        assert "twice" in failed.message and "start it again" in failed.message
        assert watched.view.worker_pid == 0
        since = len(watched.frames)
        watched.view.resume()
        watched.until(lambda f: f.complete, since=since)
    finally:
        watched.view.close()
    assert no_children()


def test_what_cannot_be_rendered_is_said_and_the_next_scene_is_shown(live, flat, monkeypatch):
    monkeypatch.setattr("studio.render.session.system_memory", lambda: 1000)
    live.view.show(flat, settings(width=333))
    failed = live.until(lambda f: f.state == "failed")
    assert "this machine has" in failed.message
    monkeypatch.undo()
    live.finished(live.view.show(flat, settings()))


def test_stopping_frees_the_device_and_showing_starts_again(flat):
    with InteractiveRender(device="cpu", threads=2) as _:
        pass  # never used: nothing was started
    watched = Watched()
    try:
        generation = watched.view.show(flat, settings())
        watched.finished(generation)
        watched.view.stop()
        watched.until(lambda f: f.message.startswith("Stopped"))
        assert watched.view.worker_pid == 0 and watched.view.latest().layers
        since = len(watched.frames)
        watched.view.resume()
        watched.until(lambda f: f.complete, since=since)
    finally:
        watched.view.close()
    assert no_children() and not leftovers(watched)


def test_denoising_takes_the_noise_and_leaves_the_light(live, flat):
    frame = live.finished(live.view.show(flat, settings(samples=4)))
    live.view.denoise(frame)
    with live.condition:
        assert live.condition.wait_for(lambda: live.view.denoised() is not None, PATIENCE_S)
    result = live.view.denoised()
    assert result.frame is frame and not result.fault
    noisy, clean = frame.layers["beauty"], result.pixels
    assert clean.shape == noisy.shape and np.array_equal(clean[..., 3], noisy[..., 3])
    assert abs(clean[..., :3].mean() / noisy[..., :3].mean() - 1) < 0.1
    assert np.abs(np.diff(clean[..., 1], axis=1)).mean() < np.abs(np.diff(noisy[..., 1], axis=1)).mean()


def test_nonsense_is_refused_where_it_is_asked_for(live, flat):
    for wrong in (settings(width=0), settings(crop=(0, 0, 9999, 10)), settings(aovs=("nothing",))):
        with pytest.raises(UsageError):
            live.view.show(flat, wrong)
    with pytest.raises(UsageError):
        live.view.region = (5, 5, 5, 9)
    with pytest.raises(UsageError):
        live.view.wanted = ("nothing",)
    with pytest.raises(UsageError):
        live.view.device = "abacus"


def test_lamps_are_known_by_who_they_are(scene, flat):
    names = lamp_names(flat)
    without = lamp_names(flatten(scene.replace("key", muted=True), 1, previous=flat))
    assert len(set(names)) == len(names) == len(without) + 1
    assert set(without) == {name for name in names if not name.startswith("key\n")}


def wait_for_pid(watched: Watched) -> int:
    """The pid of the worker that runs now or next."""
    with watched.condition:
        assert watched.condition.wait_for(lambda: watched.view.worker_pid, PATIENCE_S)
    return watched.view.worker_pid


@pytest.fixture(scope="module", autouse=True)
def _others() -> None:
    """Children that other tests of this process have left to be waited for are not these tests' concern."""
    _earlier.update(children())


_earlier: set[str] = set()


def no_children() -> bool:
    """Whether every worker that these tests started has been waited for: no zombie is left."""
    live_pid = str(getattr(_shared_view, "worker_pid", 0))
    return not set(children()) - _earlier - {live_pid}


def children() -> list[str]:
    """Workers and zombies of this process."""
    me, left = str(os.getpid()), []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                fields = (entry / "stat").read_text().rpartition(")")[2].split()
                command = (entry / "cmdline").read_text()
            except OSError:
                continue  # it ended meanwhile
            if fields[1] == me and (fields[0] == "Z" or "studio.render.worker" in command):
                left.append(entry.name)
    return left


def leftovers(watched: Watched) -> list[str]:
    """Blocks of shared memory that a closed view has left behind."""
    hand = watched.view._hand
    blocks = [hand._parcel, hand._memory.block, *(taking.block for taking in hand._takes._waiting.values())]
    return [block.ref.path for block in blocks if block is not None and Path(block.ref.path).exists()]


@pytest.fixture(autouse=True)
def _remember(request):
    """The module's own worker is not a child that was left behind."""
    global _shared_view
    if "live" in request.fixturenames:
        _shared_view = request.getfixturevalue("live").view


_shared_view: InteractiveRender | None = None
