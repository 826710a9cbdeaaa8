from i2i_sound.healthy import cuts


class Cuts(cuts.Cuts):
    def __init__(self, options):
        super().__init__(options)
        self.draw = lambda places, rng: int(rng.integers(places))
