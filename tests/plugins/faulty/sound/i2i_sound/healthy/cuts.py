from pathlib import Path

from i2i import Dataset, open_picture, to_tensor


class Cuts(Dataset):
    def __init__(self, options):
        self.size = options.size
        self.pictures = sorted(path for folder in options.source for path in Path(folder).iterdir())

    def __len__(self):
        return len(self.pictures)

    def load(self, index, rng):
        picture = to_tensor(open_picture(self.pictures[index], "white"))
        top, left = (self.draw(side - self.size + 1, rng) for side in picture.shape[-2:])
        return {"picture": picture[:, top : top + self.size, left : left + self.size]}

    def draw(self, places, rng):
        return int(rng.integers(places))
