"""The sound of the open scene: read when it is named, heard while the studio plays.

It follows `Scene.timeline.audio`. The file is read and its waveform made on a thread; a file that is gone or broken is
told in a sentence and everything else goes on, its entry on the timeline included. The device is opened on a thread,
too, when there is first something to hear; where there is none, that is told once and playback has its own clock.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from PySide6.QtCore import QObject, QTimer, Signal

from studio.commands.registry import N_
from studio.commands.studio import Studio, Update
from studio.errors import StudioError, Unsupported
from studio.scene.timeline import Audio
from studio.ui.audio import CHANNELS, PERIOD_MS, RATE, Sound, Voice, decode, sample_of
from studio.ui.bridge import Bridge
from studio.ui.playback import Clock
from studio.ui.waveform import Peaks

_SLICE_S = 0.06
NO_DEVICE = N_("No sound device was found; playback goes on without sound.")


def sound_file(path: str, project: Path | None) -> Path:
    """Where a sound's file lies: relative paths are the project's."""
    found = Path(path)
    return found if found.is_absolute() or project is None else project / found


class AudioTrack(QObject):
    """Reads, draws and plays the sound of a studio's scene. `changed`: the sound, its peaks or the fault changed."""

    changed = Signal()

    def __init__(
        self, studio: Studio, bridge: Bridge, *, backends: Sequence[Any] | None = None, parent: QObject | None = None
    ) -> None:
        """`backends` are miniaudio's; the system's own where none are given."""
        super().__init__(parent)
        self._studio, self._bridge, self._backends = studio, bridge, backends
        self.sound: Sound | None = None
        self.peaks: Peaks | None = None
        self.fault = ""
        self._read: tuple[str, Path | None] = ("", None)
        self._device: Any = None
        self._opening = self._silent = self._sounds = False
        self._voice = Voice()
        self._rest = QTimer(self, singleShot=True, interval=400)
        self._rest.timeout.connect(self._rested)
        self._forget = studio.watch(self._heard)
        self._follow()

    def close(self) -> None:
        """Give the device back."""
        self._forget()
        self._rest.stop()
        self.stop()
        if self._device is not None:
            self._device.close()
            self._device = None

    @property
    def audio(self) -> Audio | None:
        """The sound's place on the timeline."""
        return self._studio.scene.timeline.audio

    # --- reading -----------------------------------------------------------------------------------------------------
    def _heard(self, update: Update) -> None:
        change = update.change
        if "path" in update.parts or (change is not None and change.before.timeline is not change.after.timeline):
            self._follow()

    def _follow(self) -> None:
        audio = self.audio
        wanted = (audio.path if audio is not None else "", self._studio.path)
        if wanted == self._read:
            if audio is not None:
                self.changed.emit()
            return
        same = wanted[0] == self._read[0] and (not wanted[0] or Path(wanted[0]).is_absolute())
        self._read = wanted
        if same:
            return
        self.sound, self.peaks, self.fault = None, None, ""
        self.changed.emit()
        if not wanted[0]:
            return
        path = sound_file(*wanted)

        def read() -> tuple[Sound, Peaks]:
            sound = decode(path)
            return sound, Peaks.of(sound)

        self._bridge.run(
            read,
            then=lambda found: self._take(wanted, found),
            failed=lambda fault: self._refuse(wanted, fault),
        )

    def _take(self, wanted: tuple[str, Path | None], found: tuple[Sound, Peaks]) -> None:
        if wanted == self._read:
            self.sound, self.peaks = found
            self._open()
            self.changed.emit()

    def _refuse(self, wanted: tuple[str, Path | None], fault: Exception) -> None:
        if not isinstance(fault, StudioError):
            raise fault
        if wanted == self._read:
            self.fault = str(fault)
            self._studio.face.notify(self.fault, kind="warning")
            self.changed.emit()

    # --- the device --------------------------------------------------------------------------------------------------
    def _open(self) -> None:
        if self._device is not None or self._opening or self._silent:
            return
        self._opening = True
        self._bridge.run(lambda: open_device(self._backends), then=self._opened, failed=self._deviceless)

    def _opened(self, device: Any) -> None:
        self._opening = False
        self._device = device
        self.changed.emit()

    def _deviceless(self, fault: Exception) -> None:
        self._opening = False
        if not isinstance(fault, StudioError):
            raise fault
        self._silent = True
        self._studio.face.notify(str(fault), kind="warning")

    def _start(self) -> None:
        if not self._sounds and self._device is not None:
            self._voice = Voice()
            self._device.start(self._voice.run())
            self._sounds = True

    def _can_sound(self) -> bool:
        audio = self.audio
        return self._device is not None and self.sound is not None and audio is not None and not audio.muted

    # --- playing: what Playback asks ---------------------------------------------------------------------------------
    def begin(self, clock: Clock, *, heard: bool) -> None:
        """Playback is about to begin, or to go on elsewhere; from now on `seconds` is the time, if this sounds."""
        self._rest.stop()
        self._voice.follow(None)
        if heard and self._can_sound():
            self._start()
        else:
            self.stop()

    def follow(self, clock: Clock) -> None:
        """Sound as this clock of `seconds` says."""
        if self._sounds:
            self._voice.follow(clock, self.audio, self.sound)

    def seconds(self) -> float | None:
        """The device's time; None while nothing sounds."""
        return self._voice.seconds() if self._sounds else None

    def stale(self) -> bool:
        """Whether it should sound and does not, or the other way round."""
        return self._sounds != (self._can_sound() and not self._studio.preferences.play_every_frame)

    def stop(self) -> None:
        """Be silent."""
        if self._sounds:
            self._sounds = False
            self._voice.follow(None)
            self._device.stop()

    def scrub(self, frame: float) -> None:
        """Sound a moment of what is heard at a frame, where the artist wants that."""
        audio, sound = self.audio, self.sound
        if self._studio.playing or not self._studio.preferences.scrub_sound or not self._can_sound():
            return
        assert audio is not None and sound is not None
        fps = max(self._studio.scene.fps, 1e-3)
        self._start()
        length = round(max(_SLICE_S, 1.0 / fps) * RATE)
        self._voice.play_slice(sound, sample_of(audio, frame, fps), length, audio.gain_db)
        self._rest.start()

    def _rested(self) -> None:
        if not self._studio.playing:
            self.stop()


def open_device(backends: Sequence[Any] | None) -> Any:
    """The system's sound device, ready to be started; `Unsupported` in a sentence where there is none."""
    import miniaudio

    try:
        device = miniaudio.PlaybackDevice(
            miniaudio.SampleFormat.SIGNED16,
            CHANNELS,
            RATE,
            buffersize_msec=PERIOD_MS,
            backends=list(backends) if backends else None,
            app_name="Myriad",
        )
    except miniaudio.MiniaudioError:
        raise Unsupported(NO_DEVICE) from None
    if device.backend == "Null" and not backends:  # what it falls back to where nothing can sound
        device.close()
        raise Unsupported(NO_DEVICE)
    return device
