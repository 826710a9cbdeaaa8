import numpy
from i2i_sound.healthy import cuts


class Cuts(cuts.Cuts):
    def draw(self, places, rng):
        return super().draw(places, numpy.random.default_rng())
