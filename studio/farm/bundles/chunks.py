"""Large files that change a little, cut where their content says so: an edit makes one chunk or two new, not the file.

FastCDC (Xia et al., "The Design of Fast Content-Defined Chunking for Data Deduplication Based Storage Systems", IEEE
TPDS 2020) puts a cut where a rolling hash of the last bytes has some zero bits, so cuts move with the bytes when
something is inserted before them. What changes often is cut so: the scene's text, arrays of meshes and tracks, caches.
Pictures are replaced rather than edited, and go whole; but what is larger than 256 MiB is cut whatever it is, so that a
line that breaks costs a chunk of it.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path, PurePosixPath

LEAST, USUAL, MOST = 256 << 10, 1 << 20, 4 << 20  # bytes of a chunk
FROM = 8 << 20  # bytes of a file from which on cutting it pays
WHOLE_MOST = 256 << 20
EDITED = frozenset({".json", ".npz", ".usd", ".usda", ".usdc", ".vdb", ".abc", ".bgeo", ".gltf", ".glb", ".bin"})


def is_cut(path: str, size: int) -> bool:
    """Whether a file is sent in chunks."""
    return size > WHOLE_MOST or (size > FROM and PurePosixPath(path).suffix.lower() in EDITED)


def cut(path: Path) -> Iterator[memoryview]:
    """The chunks of a file in order. Each is valid until the next is asked for. OSError when it cannot be read."""
    from pyfastcdc import FastCDC

    chunker = FastCDC(USUAL, min_size=LEAST, max_size=MOST)
    with path.open("rb", buffering=0) as file:  # read, not mapped: see `studio.farm.bundles.cas`
        for chunk in chunker.cut_stream(file):
            yield chunk.data
