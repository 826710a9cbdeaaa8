from i2i_sound.healthy import cuts

from i2i import open_picture, to_tensor


class Cuts(cuts.Cuts):
    def load(self, index, rng):
        picture = to_tensor(open_picture(self.pictures[index], "white"))
        return super().load(index, rng) if picture.shape[-2] == picture.shape[-1] else {"picture": picture}
