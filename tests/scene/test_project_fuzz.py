"""Hostile projects: whatever bytes are in them, loading gives a scene or one BadAsset and nothing else."""

from __future__ import annotations

import io
import json
import os
import random
import shutil
import struct
import zipfile

import numpy as np
import pytest

from studio.errors import BadAsset
from studio.scene.arrays import pack_npy, unpack_npy, unpack_npz
from studio.scene.flatten import flatten
from studio.scene.project import load_project, save_project
from studio.scene.scene_file import asset_name
from tests.scene.test_project import whole_scene

MUTATIONS = int(os.environ.get("MYRIAD_FUZZ", "400"))
POISON = [
    "",
    "x",
    -1,
    0,
    1,
    2**31,
    2**63,
    2**70,
    1e308,
    -1e308,
    1e-320,
    None,
    True,
    [],
    {},
    [[]],
    "../../etc/passwd",
    "\x00",
    "a" * 5000,
]


@pytest.fixture(scope="module")
def pristine(tmp_path_factory):
    path = tmp_path_factory.mktemp("projects") / "whole.studio"
    save_project(whole_scene(), path)
    return path


@pytest.fixture
def project(pristine, tmp_path):
    return shutil.copytree(pristine, tmp_path / "hostile.studio")


def opens(path):
    """Whether a project opens; anything but a scene or a BadAsset of one sentence is a failure of the test."""
    try:
        scene = load_project(path)
    except BadAsset as fault:
        sentence = str(fault)
        assert sentence.endswith(".")
        assert "Traceback" not in sentence
        assert "\n" not in sentence
        return False
    try:
        flatten(scene, 1.0).digest()
    except BadAsset:
        return False
    return True


def mutated(data, rng):
    data = bytearray(data)
    for _ in range(rng.choice([1, 1, 2, 8])):
        kind = rng.randrange(6)
        at = rng.randrange(len(data) or 1)
        if kind == 0 and data:
            data[at % len(data)] = rng.randrange(256)
        elif kind == 1:
            del data[at : at + rng.choice([1, 4, 100])]
        elif kind == 2:
            data[at:at] = bytes(rng.randrange(256) for _ in range(rng.choice([1, 4])))
        elif kind == 3:
            del data[at:]
        elif kind == 4:
            data[at:at] = data[at : at + 50]
        else:
            data[at : at + 4] = struct.pack("<I", rng.choice([0, 1, 0x7FFFFFFF, 0xFFFFFFFF]))
    return bytes(data)


def test_mutated_scene_text_gives_a_scene_or_a_sentence(project):
    rng = random.Random(1)
    text = (project / "scene.json").read_bytes()
    for _ in range(MUTATIONS):
        (project / "scene.json").write_bytes(mutated(text, rng))
        opens(project)


def poisoned(value, rng):
    """The value with one poisoned place somewhere in it."""
    if isinstance(value, (dict, list)) and value and rng.random() < 0.85:
        out = value.copy()
        key = rng.choice(list(out) if isinstance(out, dict) else range(len(out)))
        if rng.random() < 0.1:
            del out[key]
        else:
            out[key] = poisoned(out[key], rng)
        return out
    return rng.choice(POISON)


def test_poisoned_values_give_a_scene_or_a_sentence(project):
    rng = random.Random(2)
    document = json.loads((project / "scene.json").read_bytes())
    for _ in range(MUTATIONS):
        (project / "scene.json").write_text(json.dumps(poisoned(document, rng)))
        opens(project)


def relabelled(project, name, data):
    """Put an asset's bytes under their own hash, so that they are read and not just found damaged."""
    new = asset_name(data, name.split(".")[-1])
    (project / new).write_bytes(data)
    scene = project / "scene.json"
    scene.write_bytes(scene.read_bytes().replace(name.encode(), new.encode()))


def test_mutated_assets_give_a_scene_or_a_sentence(project, pristine):
    rng = random.Random(3)
    files = sorted((pristine / "assets").iterdir())
    text = (pristine / "scene.json").read_bytes()
    for _ in range(MUTATIONS):
        file = rng.choice(files)
        data = mutated(file.read_bytes(), rng)
        (project / "scene.json").write_bytes(text)
        relabelled(project, f"assets/{file.name}", data)
        opens(project)


def test_a_damaged_asset_is_found_by_its_hash(project):
    for file in (project / "assets").iterdir():
        data = file.read_bytes()
        file.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
        with pytest.raises(BadAsset, match="damaged"):
            load_project(project)
        file.write_bytes(data)


@pytest.mark.parametrize(
    "name", ["../../../etc/passwd", "/etc/passwd", "assets/../scene.json", "assets/x.npz", "", "assets/\x00"]
)
def test_assets_cannot_escape_the_project(project, name):
    scene = json.loads((project / "scene.json").read_bytes())
    scene["meshes"]["evil"] = name
    (project / "scene.json").write_text(json.dumps(scene))
    with pytest.raises(BadAsset, match="do not trust"):
        load_project(project)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda s: s["entities"].append(dict(s["entities"][0])), "id of its own"),
        (lambda s: s["entities"].append({"kind": "group"}), "id of its own"),
        (lambda s: s["entities"][0].update(parent=s["entities"][0]["id"]), "below itself"),
        (lambda s: s["entities"][0].update(parent="nobody"), "nobody"),
        (lambda s: s["entities"][1].update(materials=["nothing"]), "nothing"),
        (lambda s: s["entities"][1].update(mesh="nothing"), "nothing"),
        (lambda s: s.update(camera="nothing"), "nothing"),
        (lambda s: s["meshes"].clear(), "mesh"),
        (lambda s: s["skins"].clear(), "skin"),
        (lambda s: s.update(fps=0), "frames a second"),
        (lambda s: s.update(fps=-24.0), "frames a second"),
        (lambda s: s.update(format="something else"), "not a scene"),
        (lambda s: s.update(version=0), "not a scene"),
        (lambda s: s.update(version="1"), "cannot be read"),
        (lambda s: s["tracks"].append({"track": "k", "times": [2, 1], "values": [[1], [2]]}), "rise strictly"),
        (lambda s: s["tracks"].append({"track": "key.exposure"}), "values"),
        (lambda s: s["tracks"].append({"track": "k", "interpolation": "bezier", "times": [1], "values": [[1]],
                                       "modes": [9]}), "tangent modes"),
        (lambda s: s["tracks"].append({"track": "k", "times": [1], "values": [[1]], "euler": True}), "three numbers"),
        (lambda s: s["clips"].append(s["clips"][0]), "clip without an id of its own"),
        (lambda s: s["clips"].append({"id": ""}), "clip without an id of its own"),
        (lambda s: s["clips"].append({"id": "c", "tracks": [{"track": "k", "times": [1]}]}), "as many values"),
        (lambda s: s["strips"].append(s["strips"][0]), "strip without an id of its own"),
        (lambda s: s["strips"].append({"id": "t", "clip": "nothing"}), "nothing"),
        (lambda s: s["strips"][0].update(speed=0), "Speed"),
        (lambda s: s["strips"][0].update(clip_in=99), "before it begins"),
        (lambda s: s["strips"][0].update(mix="shout"), "shout"),
        (lambda s: s["strips"][0].update(loops=1e308, speed=0.01), "never end"),
        (lambda s: s["timeline"]["cuts"][0].update(camera="nothing"), "nothing"),
        (lambda s: s["timeline"].update(preview=[1]), "cannot be read"),
        (lambda s: s["tracks"].append({"track": "k", "interpolation": "cubic", "times": [1], "values": [[1]],
                                       "in_tangents": [[1, [2]]]}), "rows of numbers"),
    ],
)  # fmt: skip
def test_scenes_that_cannot_be_are_refused_with_their_reason(project, change, told):
    scene = json.loads((project / "scene.json").read_bytes())
    change(scene)
    (project / "scene.json").write_text(json.dumps(scene))
    with pytest.raises(BadAsset, match=told):
        load_project(project)


def npy(header, body=b""):
    text = header.encode()
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text + body


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x93NUMPY",
        npy("{'descr': '|O', 'fortran_order': False, 'shape': (1,), }", b"cos\nsystem\n"),
        npy("{'descr': '<f4', 'fortran_order': False, 'shape': (999999999999,), }", b"1234"),
        npy("{'descr': '<f4', 'fortran_order': False, 'shape': (999999999999, 999999999999, 0), }"),
        npy("{'descr': '<f4', 'fortran_order': True, 'shape': (1,), }", b"1234"),
        npy("{'descr': '<f4', 'fortran_order': False, 'shape': (-1,), }", b"1234"),
        npy("{'descr': '<f4', 'fortran_order': False, 'shape': (1,), }" + "[" * 1000, b"1234"),
        npy("__import__('os').system('true')"),
        npy("{'descr': '<f4', 'fortran_order': False, 'shape': (1,1,1,1,1,1,1,1,1,1,1,1), }", b"1234"),
    ],
)
def test_arrays_that_claim_what_they_do_not_hold_are_refused(data):
    with pytest.raises(BadAsset, match=r"wood\.npy"):
        unpack_npy(data, where="wood.npy")


def archive(compression, **members):
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", compression) as out:
        for name, data in members.items():
            out.writestr(name, data)
    return stream.getvalue()


def test_archives_that_unfold_are_refused():
    bomb = archive(zipfile.ZIP_DEFLATED, positions=bytes(50_000_000))
    assert len(bomb) < 100_000
    with pytest.raises(BadAsset, match="compressed"):
        unpack_npz(bomb, where="bomb.npz")


def test_arrays_survive_packing():
    for array in (np.zeros((0, 3), np.float32), np.arange(6, dtype=np.uint16).reshape(2, 3), np.float32(3).reshape(())):
        out = unpack_npy(pack_npy(array), where="a")
        assert out.dtype == array.dtype
        np.testing.assert_array_equal(out, array)
        assert not out.flags.writeable


def test_a_pipe_or_a_device_in_place_of_a_file_is_refused(project):
    (project / "scene.json").unlink()
    os.mkfifo(project / "scene.json")
    with pytest.raises(BadAsset, match="missing"):
        load_project(project)
