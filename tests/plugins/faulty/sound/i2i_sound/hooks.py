from importlib.resources import files

from i2i import hookimpl
from i2i_sound import specs


@hookimpl
def i2i_models():
    return [specs.SOFTENER, specs.PAINTER]


@hookimpl
def i2i_losses():
    return [specs.IMAGE, specs.GAME, specs.REGULARISER]


@hookimpl
def i2i_trainers():
    return [specs.SCHEME]


@hookimpl
def i2i_datasets():
    return [specs.CUTS]


@hookimpl
def i2i_trackers():
    return [specs.DIARY]


@hookimpl
def i2i_recipes():
    return sorted((files(__package__) / "recipes").iterdir(), key=lambda file: file.name)
