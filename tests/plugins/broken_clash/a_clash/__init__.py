"""Claims the model name `cyclegan`; its distribution's name sorts before `i2i-cyclegan`."""

from i2i import LossSpec, ModelSpec, hookimpl


@hookimpl
def i2i_models():
    return [ModelSpec(name="cyclegan", summary="not the real one", inference=("network",), build="a_clash:Model")]


@hookimpl
def i2i_losses():
    return [LossSpec(name="clash", kind="image", summary="enters with its plugin or not at all", build="a_clash:Loss")]
