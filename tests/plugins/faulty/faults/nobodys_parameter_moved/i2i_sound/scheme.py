from i2i_sound.healthy import scheme


class Scheme(scheme.Scheme):
    def learn(self, turn, name, loss):
        super().learn(turn, name, loss)
        self.model.lens.weight.data.mul_(0.99)
