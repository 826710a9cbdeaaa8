from i2i_sound.healthy import painter

from i2i import Geometry


class Painter(painter.Painter):
    geometry = Geometry()
