"""The one exception that an artist may see.

Every fault whose cause is known is raised as a `StudioError` where it is known, as one sentence that names
the file, the place and what to do. It is shown at the edge (command line, window) and never printed in between.
The subclasses carry the process exit code of the command line's contract.
"""

from __future__ import annotations


class StudioError(Exception):
    """A fault told in one sentence; `code` is the exit code of the command line."""

    code = 1


class UsageError(StudioError):
    """The command was asked for something that makes no sense."""

    code = 2


class BadAsset(StudioError):
    """A scene or asset file that is broken, hostile or incomplete."""

    code = 10


class Unsupported(StudioError):
    """Something real that this build or machine cannot do."""

    code = 11


class DeviceFault(StudioError):
    """The render device or its worker process failed."""

    code = 12


class OutOfDeviceMemory(StudioError):
    """The scene does not fit the render device."""

    code = 13


class CannotWrite(StudioError):
    """An output file or folder could not be written."""

    code = 14


class Cancelled(StudioError):
    """Whoever asked for it did not want it any more."""

    code = 130
