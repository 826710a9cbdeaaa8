"""Answers every picture by one colour; as it fills, only holes should show it."""

from importlib.resources import files

from i2i import ModelSpec, TrainerSpec, hookimpl


@hookimpl
def i2i_models():
    return [
        ModelSpec(
            name="mender", summary="orange everywhere", inference=(), standalone=(), build="i2i_mender.model:Mender"
        )
    ]


@hookimpl
def i2i_trainers():
    return [TrainerSpec(name="mender", summary="never built", keys=("picture",), build="i2i_mender.model:None")]


@hookimpl
def i2i_recipes():
    return sorted((files(__name__) / "recipes").iterdir(), key=lambda file: file.name)
