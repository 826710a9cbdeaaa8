from i2i_sound.healthy import scheme


class Scheme(scheme.Scheme):
    def learn(self, turn, name, loss):
        super().learn(turn, name, loss)
        if name == "painter":
            self.model.critic.weight.data.clamp_(-0.1, 0.1)
