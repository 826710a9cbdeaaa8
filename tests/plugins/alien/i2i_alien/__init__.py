"""Three players on a shared trunk, a turn that is skipped every other step, a network without any optimizer."""

from importlib.resources import files

from pydantic import Field

from i2i import ModelSpec, Options, Role, TrainerSpec, hookimpl


class ModelOptions(Options):
    width: int = Field(4, ge=1, description="channels of the trunk")


class TrainerOptions(Options):
    learning_rate: float = Field(1e-2, gt=0, description="of all three players")


@hookimpl
def i2i_models():
    return [
        ModelSpec(
            name="alien",
            summary="repaints through a shared trunk and a fixed lens",
            options=ModelOptions,
            inference=("trunk", "painter", "lens"),
            build="i2i_alien.scheme:Alien",
        )
    ]


@hookimpl
def i2i_trainers():
    return [
        TrainerSpec(
            name="alien",
            summary="painter, critic and guesser share what they see",
            options=TrainerOptions,
            roles={"judgement": Role("adversarial", "the critic's"), "likeness": Role("image", "to the source")},
            submodules=("trunk", "painter", "critic", "guesser", "lens"),
            keys=("source", "target"),
            ema=("trunk", "painter"),
            build="i2i_alien.scheme:AlienTrainer",
        )
    ]


@hookimpl
def i2i_recipes():
    return [files(__name__) / "recipes" / "alien.yaml"]
