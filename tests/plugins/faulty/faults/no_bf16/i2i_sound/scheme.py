from i2i_sound.healthy import scheme


class Scheme(scheme.Scheme):
    def learn(self, turn, name, loss):
        self.model.critic(self.model.lens.bias.view(1, 3, 1, 1).expand(1, 3, 4, 4)).detach().numpy()
        super().learn(turn, name, loss)
