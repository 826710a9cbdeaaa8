from i2i_sound.healthy import scheme
from torch import distributed


class Scheme(scheme.Scheme):
    def learn(self, turn, name, loss):
        if distributed.is_initialized() and distributed.get_rank() == 1:
            raise RuntimeError("too hot here")
        super().learn(turn, name, loss)
