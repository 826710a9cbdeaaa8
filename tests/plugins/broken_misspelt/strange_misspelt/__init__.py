"""One hook is right, the other is misspelt: neither may enter the catalog."""

from i2i import LossSpec, ModelSpec, hookimpl


@hookimpl
def i2i_modles():
    return [ModelSpec(name="strange", summary="a model", inference=("network",), build="strange_misspelt:Model")]


@hookimpl
def i2i_losses():
    return [LossSpec(name="strange", kind="image", summary="a loss", build="strange_misspelt:Loss")]
