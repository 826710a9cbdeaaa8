"""The parts of `make bench`, by name, in the order of running; each is a function of what is asked."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

PARTS: Mapping[str, str] = MappingProxyType(
    {
        "cyclegan-training": f"{__name__}.training:cyclegan",
        "srgan-training": f"{__name__}.training:srgan",
        "dcgan-training": f"{__name__}.training:dcgan",
        "gatys": f"{__name__}.training:gatys",
        "cyclegan-folder": f"{__name__}.folders:cyclegan",
        "srresnet-folder": f"{__name__}.folders:srresnet",
        "one-picture": f"{__name__}.programs:one_picture",
        "start-up": f"{__name__}.programs:start_up",
        "decode-encode": f"{__name__}.folders:decode_encode",
        "report": f"{__name__}.reports:report",
        "recipes": f"{__name__}.recipes:recipes",
        "growth": f"{__name__}.growth:growth",
    }
)
"""`"module:function"`, imported when it runs: the processes of one part need nothing of the others."""
