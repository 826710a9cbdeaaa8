"""What a plugin hands over and what it is handed. Importing this package imports no torch."""

from i2i.contracts.dataset import Dataset
from i2i.contracts.geometry import Geometry, Tiling
from i2i.contracts.latents import normal_latents
from i2i.contracts.request import Request
from i2i.contracts.schedule import ScheduleOptions, linear_decay
from i2i.contracts.specs import (
    API_VERSION,
    DatasetSpec,
    FilePath,
    LossKind,
    LossSpec,
    ModelSpec,
    Options,
    Role,
    Spec,
    TrackerSpec,
    TrainerSpec,
)
from i2i.contracts.tracker import Tracker
from i2i.contracts.trainer import Losses, RoleLoss, Trainer, Turn, Turns
from i2i.contracts.weights import Weights

__all__ = [
    "API_VERSION",
    "Dataset",
    "DatasetSpec",
    "FilePath",
    "Geometry",
    "LossKind",
    "LossSpec",
    "Losses",
    "ModelSpec",
    "Options",
    "Request",
    "Role",
    "RoleLoss",
    "ScheduleOptions",
    "Spec",
    "Tiling",
    "Tracker",
    "TrackerSpec",
    "Trainer",
    "TrainerSpec",
    "Turn",
    "Turns",
    "Weights",
    "linear_decay",
    "normal_latents",
]
