"""What lies where in a run folder."""

from __future__ import annotations

from pathlib import Path

RUNS = Path("runs")
"""The folder that run folders lie in, where none is named."""
RECIPE, ENVIRONMENT, METRICS, BEST = "recipe.yaml", "environment.json", "metrics.jsonl", "best.json"
EVENTS, REPORT = "events.jsonl", "report.html"
CHECKPOINTS, SAMPLES, VALIDATION = "checkpoints", "samples", "validation"
PICTURES = "pictures.json"
"""Of `validation`: which pictures went best and worst."""
WEIGHTS, TRAINING, STATE = "weights.safetensors", "training.safetensors", "state.json"
"""Of a checkpoint."""
STEP = "step-"


def name_of(step: int) -> str:
    """Of the checkpoint, and of the sample grid, of a step."""
    return f"{STEP}{step:07d}"


def checkpoint_step(path: Path) -> int:
    """The step that a checkpoint folder's name tells."""
    return int(path.name.removeprefix(STEP))


def checkpoints_in(folder: Path) -> dict[int, Path]:
    """Step → checkpoint, in order."""
    found = (path for path in folder.glob(f"{STEP}*") if path.name.removeprefix(STEP).isdigit())
    return dict(sorted((checkpoint_step(path), path) for path in found))
