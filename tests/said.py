"""What commands say: their events, and the one sentence of a refusal."""

from __future__ import annotations

import json
from typing import Any

from studio.cli import main


def told(capsys: Any, *arguments: object, code: int = 0) -> list[dict[str, Any]]:
    """The events of a command."""
    assert main([*(str(a) for a in arguments), "--json"]) == code
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def refused(capsys: Any, *arguments: object, code: int) -> str:
    """The one sentence of a command that cannot be."""
    assert main([str(a) for a in arguments]) == code
    out, err = capsys.readouterr()
    sentence = [line for line in err.splitlines() if line.startswith("studio: ")]
    assert len(sentence) == 1 and "Traceback" not in err + out, err
    return sentence[0]


def of(events: list[dict[str, Any]], kind: str) -> list[dict[str, Any]]:
    """The events of a kind."""
    return [event for event in events if event["event"] == kind]
