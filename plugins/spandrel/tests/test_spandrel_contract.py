from __future__ import annotations

import pytest

from i2i.testing import PluginContract

pytest.importorskip("i2i_spandrel", reason="i2i_spandrel is not installed: pip install ./plugins/spandrel")


class TestContract(PluginContract):
    """Of a network Compact that has learned nothing."""

    plugin = "i2i-spandrel"
