import torch
from i2i_sound.healthy import scheme


class Scheme(scheme.Scheme):
    def optimizers(self):
        chosen = super().optimizers()
        chosen["painter"].add_param_group({"params": list(self.model.lens.parameters())})
        return chosen

    def step(self, batch, turns):
        with torch.no_grad():
            seen = self.model.lens(batch["picture"])
        self.model.lens.forward, lens = lambda picture: seen, self.model.lens.forward
        try:
            return super().step(batch, turns)
        finally:
            self.model.lens.forward = lens
