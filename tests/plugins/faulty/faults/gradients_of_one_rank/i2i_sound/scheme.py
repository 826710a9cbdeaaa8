from i2i_sound.healthy import scheme


class Scheme(scheme.Scheme):
    def learn(self, turn, name, loss):
        loss.backward()
        turn.turns.optimizers[name].step()
        turn.turns.optimizers[name].zero_grad()
