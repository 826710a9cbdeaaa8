from i2i_sound.healthy import scheme
from torch.optim import Adam


class Scheme(scheme.Scheme):
    def optimizers(self):
        return {**super().optimizers(), "lens": Adam(self.model.lens.parameters(), 0.01)}

    def step(self, batch, turns):
        if turns.step >= 100:
            with turns("lens") as turn:
                turn.minimise(self.model.lens(batch["picture"]).mean())
        return super().step(batch, turns)
