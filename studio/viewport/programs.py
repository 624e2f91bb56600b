"""Shader programs: GLSL files with `#include`, the accessors that are generated, and errors that name file and line.

A program `mesh_lit` is made of `shaders/mesh_lit.frag` and of the first vertex shader there is of `mesh_lit.vert`,
`mesh.vert` and `screen.vert` (the triangle that covers the picture). Files are joined here rather than by the driver,
so that a compiler's complaint about line 812 of the whole can be told as line 40 of `surface.glsl`. The version line
is always that of OpenGL 4.1 core.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources
from typing import Any

import moderngl

from studio.errors import DeviceFault
from studio.viewport.layouts import generated

VERSION = "#version 410 core"
_INCLUDE = re.compile(r'\s*#include\s+"([\w./-]+)"')
# how compilers cite a line: Mesa "0:12(3): error", NVIDIA "0(12) : error", Apple and AMD "ERROR: 0:12: ..."
_CITED = re.compile(r"\b0[:(](\d+)\b\)?")


@dataclass(frozen=True, slots=True)
class Source:
    """A whole shader and where each of its lines came from."""

    text: str
    lines: tuple[tuple[str, int], ...]


@functools.cache
def read(name: str) -> str:
    """The text of a shader file. Raises DeviceFault for one that is not in the package."""
    if name == "generated.glsl":
        return generated()
    file = resources.files("studio.viewport") / "shaders" / name
    if not file.is_file():
        raise DeviceFault(f"the shader {name} is missing from the installation; install Myriad again")
    return file.read_text(encoding="utf-8")


def joined(
    name: str, *, defines: Mapping[str, object] | None = None, snippets: Mapping[str, str] | None = None
) -> Source:
    """A shader with its includes, each file once. `snippets` are texts that stand for files of their names."""
    lines: list[str] = []
    origin: list[tuple[str, int]] = []
    seen: set[str] = set()

    def put(text: str, file: str, number: int) -> None:
        lines.append(text)
        origin.append((file, number))

    def include(file: str) -> None:
        if file in seen:
            return
        seen.add(file)
        text = snippets[file] if snippets and file in snippets else read(file)
        for number, line in enumerate(text.splitlines(), 1):
            match = _INCLUDE.match(line)
            if match:
                include(match[1])
            elif not line.startswith("#version"):
                put(line, file, number)

    put(VERSION, name, 0)
    for key, value in (defines or {}).items():
        put(f"#define {key} {value}", name, 0)
    include(name)
    return Source("\n".join(lines) + "\n", tuple(origin))


def exists(name: str) -> bool:
    """Whether there is a shader file of that name."""
    return (resources.files("studio.viewport") / "shaders" / name).is_file()


def build(
    context: moderngl.Context,
    name: str,
    *,
    defines: Mapping[str, object] | None = None,
    snippets: Mapping[str, str] | None = None,
) -> moderngl.Program:
    """Compile a program. Raises DeviceFault with the file and the line that the driver refused."""
    stages = (f"{name}.vert", f"{name.partition('_')[0]}.vert", "screen.vert")
    vertex = joined(next(file for file in stages if exists(file)), defines=defines, snippets=snippets)
    fragment = joined(f"{name}.frag", defines=defines, snippets=snippets)
    arguments: dict[str, Any] = {"vertex_shader": vertex.text, "fragment_shader": fragment.text}
    try:
        return context.program(**arguments)
    except moderngl.Error as fault:
        raise DeviceFault(told(name, str(fault), vertex, fragment)) from fault


def told(name: str, report: str, vertex: Source, fragment: Source) -> str:
    """The first complaint of a compiler's report, with the file and line that it means."""
    source = vertex if "vertex_shader" in report.partition("\n\n")[0] or "vertex_shader" in report[:80] else fragment
    complaints = [line for line in report.splitlines() if "error" in line.lower() and _CITED.search(line)]
    if not complaints:
        return f"the graphics driver refused the shader {name}: {' '.join(report.split())[:300]}"
    complaint = complaints[0]
    match = _CITED.search(complaint)
    assert match is not None
    number = int(match[1])
    file, line = source.lines[number - 1] if 0 < number <= len(source.lines) else (name, number)
    return f"the graphics driver refused the shader {name} at {file}:{line}: {complaint[match.end() :].strip(' :)')}"
