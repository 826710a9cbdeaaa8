"""What i2i lends to the tests of a plugin."""

from __future__ import annotations

from i2i.testing import fixed_chance as fixed_chance
from i2i.testing import one_thread as one_thread
