"""i2i: a plugin-based image-to-image toolkit.

Every public name that a plugin or a script may import is listed in `__init__.pyi` beside this file and fetched from
its module when it is first used: importing this package imports no torch.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
