from __future__ import annotations

from i2i.testing import catalog, fixed_chance, one_thread

__all__ = ["catalog", "fixed_chance", "one_thread"]
