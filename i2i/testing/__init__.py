"""The contract suite: what every plugin keeps, as checks that it inherits in its tests and `i2i plugins check` runs.

`PluginContract` is inherited by a test class; the fixtures are imported into a plugin's `conftest.py`; `examine` needs
no pytest. Importing this package imports neither torch nor pytest.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
