from pydantic import Field

from i2i import DatasetSpec, LossSpec, ModelSpec, Options, Role, TrackerSpec, TrainerSpec


class ModelOptions(Options):
    width: int = Field(3, ge=1, description="channels")


class TranslateOptions(Options):
    grain: float = Field(0.05, ge=0, le=1, description="how much of each picture's seed is seen")


class TrainerOptions(Options):
    learning_rate: float = Field(0.01, gt=0, description="of Adam, for both networks")


class DatasetOptions(Options):
    source: tuple[str, ...] | None = Field(None, description="folders of pictures")
    size: int = Field(16, ge=4, description="side of the square that is cut out at random, in pixels")


SOFTENER = ModelSpec(
    name="sound", summary="repaints, twice as large", options=ModelOptions, translate_options=TranslateOptions,
    inference=("network", "tint"), build="i2i_sound.softener:Softener",
)  # fmt: skip
PAINTER = ModelSpec(
    name="sound-painter", summary="paints out of nothing", options=ModelOptions,
    inference=("network",), build="i2i_sound.painter:Painter",
)  # fmt: skip
IMAGE = LossSpec(name="sound-image", kind="image", summary="mean square", build="i2i_sound.image:Image")
GAME = LossSpec(name="sound-game", kind="adversarial", summary="least squares", build="i2i_sound.game:Game")
REGULARISER = LossSpec(
    name="sound-regulariser", kind="regulariser", summary="slope", build="i2i_sound.regulariser:Regulariser"
)
SCHEME = TrainerSpec(
    name="sound", summary="a game, and how like the source it is", options=TrainerOptions,
    roles={"game": Role("adversarial", "the critic's"), "likeness": Role("image", "to the source")},
    submodules=("network", "critic", "lens"), keys=("picture",), ema=("network",), build="i2i_sound.scheme:Scheme",
)  # fmt: skip
CUTS = DatasetSpec(
    name="sound", summary="squares", keys=("picture",), cli={"src": "source"},
    options=DatasetOptions, build="i2i_sound.cuts:Cuts",
)  # fmt: skip
DIARY = TrackerSpec(name="sound-diary", summary="one line a line", build="i2i_sound.diary:Diary")
