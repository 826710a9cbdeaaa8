from i2i_sound.healthy import softener


class Softener(softener.Softener):
    def repaint(self, images):
        repainted = super().repaint(images)
        return repainted / 2 + repainted.mean(0, keepdim=True) / 2
