"""Scenes between two processes: what arrives is what was sent, and what is the same is not sent again."""

from __future__ import annotations

import os
from dataclasses import replace

import msgspec
import numpy as np
import pytest

from studio.render import transfer
from studio.render.film import Film, plan_layout
from studio.render.protocol import Command
from studio.render.transfer import Block, ScenePacker, SceneStore, film_buffers
from studio.scene.flatten import flatten
from studio.scene.geometry import make_image
from studio.scene.materials import Material, Texture
from tests.render.stage import stage


def send(packer, store, flat, slot="current"):
    """The scene as it arrives, and the message that brought it, which crosses as bytes."""
    message, _ = packer.pack(flat, slot)
    data = msgspec.msgpack.encode(message)
    return store.unpack(msgspec.msgpack.decode(data, type=Command)), message


def test_a_scene_arrives_as_it_was_sent():
    image = make_image(np.arange(48, dtype=np.uint8).reshape(4, 4, 3), name="wood")
    textured = Material(id="wood", textures={"base_color": Texture(image=image.key)})
    scene = stage().add(image, textured).replace("floor", materials=("wood",))
    flat = flatten(scene, 1.5)
    arrived, _ = send(ScenePacker(), SceneStore(), flat)
    assert arrived.digest() == flat.digest()
    assert arrived.frame == 1.5 and len(arrived.textures) == 1
    assert arrived.camera.same(flat.camera)


def test_a_scene_that_did_not_change_sends_no_arrays_and_stays_the_same_objects():
    packer, store, flat = ScenePacker(), SceneStore(), flatten(stage(), 1)
    first, _ = send(packer, store, flat)
    second, message = send(packer, store, flat)
    assert message.block is None and not message.names and message.camera is None
    for section in ("instances", "lights", "materials", "meshes", "textures", "camera", "object_names"):
        assert getattr(second, section) is getattr(first, section)


def test_the_next_frame_sends_only_what_moved():
    packer, store, scene = ScenePacker(), SceneStore(), stage()
    flat = flatten(scene, 1)
    first, _ = send(packer, store, flat)
    following = flatten(scene, 2, previous=flat)
    second, message = send(packer, store, following)
    assert second.digest() == following.digest()
    assert len(message.arrays) == 1 and not message.meshes  # the instances
    assert second.meshes is first.meshes and second.lights is first.lights


def test_slots_share_what_they_have_in_common_and_forget_what_neither_uses():
    packer, store, scene = ScenePacker(), SceneStore(), stage()
    flat = flatten(scene, 1)
    send(packer, store, flat)
    following, message = send(packer, store, flatten(scene, 2, previous=flat), "following")
    assert len(message.arrays) == 1
    assert following.meshes[0] is store.slots["current"].meshes[0]
    bare = flatten(scene.remove(["box", "panel"]), 1)
    send(packer, store, bare, "following")
    _, message = send(packer, store, bare)
    assert message.forget
    assert store.slots["current"].digest() == bare.digest()


def test_a_restarted_worker_gets_everything_again():
    flat = flatten(stage(), 1)
    send(ScenePacker(), SceneStore(), flat)
    arrived, _ = send(ScenePacker(), SceneStore(), flat)
    assert arrived.digest() == flat.digest()


def test_a_scene_without_objects_or_lights_crosses():
    flat = replace(flatten(stage().remove(["floor", "wall", "box", "panel", "key", "fill"]), 1), cache=None)
    arrived, _ = send(ScenePacker(), SceneStore(), flat)
    assert arrived.digest() == flat.digest() and len(arrived.lights) == 0


def test_a_film_lies_in_a_block_of_its_own_size():
    layout = plan_layout(16, 8, aovs=("depth", "crypto_object"), exponent=20)
    block = Block.create(layout.nbytes)
    other = Block.attach(block.ref)
    film = Film.over(film_buffers(block, layout), layout)
    film.clear()
    film.sums[3, 2, 1] = 7
    assert Film.over(film_buffers(other, layout), layout).sums[3, 2, 1] == 7


@pytest.mark.skipif(os.name != "posix", reason="a name that is mapped can be removed on POSIX only")
def test_a_block_that_both_sides_have_leaves_no_file_behind():
    block = Block.create(1000)
    Block.attach(block.ref)
    assert not os.path.exists(block.ref.path)


def test_a_place_without_room_is_passed_over(monkeypatch):
    reserve, tried = transfer._reserve, []

    def first_is_full(handle, nbytes):
        tried.append(nbytes)
        if len(tried) == 1:
            raise OSError(28, "No space left on device")
        reserve(handle, nbytes)

    monkeypatch.setattr(transfer, "_reserve", first_is_full)
    if not os.path.isdir("/dev/shm"):
        pytest.skip("no /dev/shm: there is one place only")
    assert Block.create(4096).ref.nbytes == 4096 and len(tried) == 2
