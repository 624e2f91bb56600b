"""The device: OpenGL 4.1 alone, programs by name, and sentences for what is not to be had."""

from __future__ import annotations

import re
import sys
from importlib import resources

import pytest

from studio.errors import DeviceFault, Unsupported
from studio.viewport import programs
from studio.viewport.device import Device


def test_nothing_newer_than_opengl_41_is_asked_for(device: Device) -> None:
    assert device.context.version_code == 410
    for file in (resources.files("studio.viewport") / "shaders").iterdir():
        if file.name.endswith((".glsl", ".vert", ".frag")):
            text = file.read_text()
            assert "#version" not in text and "#extension" not in text, file.name
            # storage buffers, images, compute, explicit bindings: all of 4.2 or later
            assert not re.search(r"\b(buffer|imageLoad|imageStore|binding\s*=|local_size|gl_BaseInstance)\b", text)


def test_shaders_stay_within_the_sixteen_samplers_of_opengl_41() -> None:
    for family in (0, 1, 2):
        for coverage in (0, 1, 2, 3):
            text = programs.joined(
                "mesh_lit.frag", defines={"MODE": 0, "SURFACE_FAMILY": family, "TEXTURED": 1, "COVERAGE": coverage}
            ).text
            names = set(re.findall(r"uniform\s+[iu]?sampler\w+\s+([^;]+);", text))
            listed = {name.strip() for group in names for name in group.split(",")}
            used = {name for name in listed if len(re.findall(rf"\b{name}\b", text)) > 1}
            assert len(used - {"instances_table"}) <= 16, sorted(used)


def test_a_broken_shader_is_told_with_its_file_and_line(device: Device) -> None:
    broken = "vec4 view_transform(vec4 c) {\n    return no_such_thing(c);\n}\n"
    with pytest.raises(DeviceFault, match=r"display at view\.glsl:2: .*no_such_thing"):
        device.program("display", snippets={"view.glsl": broken}, KIND=0)


def test_a_shader_that_is_not_there_is_told(device: Device) -> None:
    with pytest.raises(DeviceFault, match=r"nowhere\.frag is missing"):
        device.program("nowhere")


def test_programs_are_compiled_once(device: Device) -> None:
    first = device.program("copy")
    assert device.program("copy") is first
    assert (
        device.program("display", snippets={"view.glsl": "vec4 view_transform(vec4 c) { return c; }"}, KIND=1)
        is not first
    )


def test_an_unknown_kind_of_display_is_refused() -> None:
    with pytest.raises(Unsupported, match="'glx'; choose from egl, x11"):
        Device.offscreen(kind="glx")


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="X11 is asked for on Linux alone")
def test_x11_without_a_display_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DISPLAY", raising=False)
    with pytest.raises(Unsupported, match="no X display"):
        Device.offscreen(kind="x11")


def test_includes_are_joined_once_and_lines_remember_their_files() -> None:
    source = programs.joined("mesh_lit.frag", defines={"MODE": 0, "SURFACE_FAMILY": 0, "TEXTURED": 0, "COVERAGE": 0})
    files = [file for file, _ in source.lines]
    assert source.text.startswith("#version 410 core\n")
    assert source.text.count("struct Light {") == 1
    assert {"surface.glsl", "lights.glsl", "generated.glsl", "mesh_lit.frag"} <= set(files)
    assert len(source.lines) == source.text.count("\n")
