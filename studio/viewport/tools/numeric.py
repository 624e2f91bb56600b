"""Numbers typed while dragging: `2.5`, `-`, Tab to the next one, Backspace to take back.

What is typed takes the place of what the pointer says until it has been taken back to nothing.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from studio.viewport.tools.events import KeyEvent

_LONGEST = 12


@dataclass(slots=True)
class NumericEntry:
    """Up to `slots` numbers being typed; `at` is the one that keys go to."""

    slots: int = 3
    at: int = 0
    texts: list[str] = field(default_factory=lambda: ["", "", ""])
    negative: list[bool] = field(default_factory=lambda: [False, False, False])

    @property
    def active(self) -> bool:
        """Whether anything has been typed."""
        return any(self.texts[: self.slots]) or any(self.negative[: self.slots])

    def key(self, event: KeyEvent) -> bool:
        """Take a key; True when it was a part of a number."""
        if event.kind != "press" or event.modifiers & {"ctrl", "alt", "meta"}:
            return False
        key = event.key.removeprefix("num") if len(event.key) == 4 else event.key
        if key == ",":  # the decimal sign of half the world's keyboards
            key = "."
        if len(key) == 1 and ((key.isascii() and key.isdigit()) or (key == "." and "." not in self.texts[self.at])):
            if len(self.texts[self.at]) < _LONGEST:
                self.texts[self.at] += key
            return True
        if key == "-":
            self.negative[self.at] = not self.negative[self.at]
            return True
        if key == "backspace" and self.active:
            if self.texts[self.at]:
                self.texts[self.at] = self.texts[self.at][:-1]
            elif self.negative[self.at]:
                self.negative[self.at] = False
            else:
                self.at = max(self.at - 1, 0)
            return True
        if key == "tab" and self.slots > 1:
            self.at = (self.at + 1) % self.slots
            return True
        return key == "."

    def limit(self, slots: int) -> None:
        """How many numbers there are to type from now on."""
        self.slots, self.at = slots, min(self.at, slots - 1)

    def values(self, empty: float = 0.0) -> list[float]:
        """The numbers typed so far, `empty` where there is none."""
        out = []
        for text, negative in zip(self.texts[: self.slots], self.negative[: self.slots], strict=True):
            number = float(text) if text.strip(".") else empty
            out.append(-number if negative else number)
        return out

    def shown(self) -> str:
        """What has been typed, with a bar where the next digit goes."""
        out = []
        for i, (text, negative) in enumerate(zip(self.texts[: self.slots], self.negative[: self.slots], strict=True)):
            out.append(("-" if negative else "") + (text or "" if i == self.at else text or "0"))
            if i == self.at:
                out[-1] += "|"
        return "  ".join(out)
