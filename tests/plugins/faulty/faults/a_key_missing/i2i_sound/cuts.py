from i2i_sound.healthy import cuts


class Cuts(cuts.Cuts):
    def prepare(self, batch, generator):
        return {"image": batch["picture"].float() / 255}
