from i2i_sound.healthy import scheme


class Scheme(scheme.Scheme):
    def learn(self, turn, name, loss):
        super().learn(turn, name, loss)
        teacher = dict(self.model.teacher.named_buffers())
        for key, value in self.model.network.named_parameters():
            teacher[key].lerp_(value.detach(), 0.1)
