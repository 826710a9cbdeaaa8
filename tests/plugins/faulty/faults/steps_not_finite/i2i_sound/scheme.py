from i2i_sound.healthy import scheme


class Scheme(scheme.Scheme):
    def share(self):
        return float("inf") if self.seen > 1 else 1.0
