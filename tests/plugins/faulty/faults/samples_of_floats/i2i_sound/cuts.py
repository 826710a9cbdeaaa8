from i2i_sound.healthy import cuts


class Cuts(cuts.Cuts):
    def load(self, index, rng):
        return {key: value / 255 for key, value in super().load(index, rng).items()}
