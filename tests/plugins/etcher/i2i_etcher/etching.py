"""The etcher: what it holds, what fit teaches it, and the optimisation that translates."""

import hashlib
from pathlib import Path

import torch
from torch import nn
from torch.optim import LBFGS, Adam

from i2i import Geometry, I2IError, Loop, Trainer, open_picture, to_tensor


class Etcher(nn.Module):
    geometry = Geometry(multiple_of=4, min_size=8)

    def __init__(self, options):
        super().__init__()
        self.options = options
        self.strength = 0.5
        self.loaded, self.remarks = {}, []
        self.speckles = torch.rand(options.speckles)
        self.register_buffer("colour_sum", torch.zeros(3, dtype=torch.float64))
        self.register_buffer("seen", torch.zeros((), dtype=torch.int64))

    def prepare(self):
        if self.options.acid is not None:
            try:
                text = Path(self.options.acid).read_bytes()
            except OSError as error:
                raise I2IError(f"model.acid: {self.options.acid}: {error.strerror}") from error
            self.strength = float(text.split()[0])
            self.loaded["acid"] = hashlib.sha256(text).hexdigest()
        if self.options.plate is not None:
            self.colour_sum.copy_(to_tensor(open_picture(self.options.plate)).double().mean((1, 2)) / 255)
            self.seen.fill_(1)
        self.remarks.append(f"etching with strength {self.strength}, {int(self.seen)} pictures seen")

    def translate(self, images, request):
        goal = (self.colour_sum / self.seen).to(images).view(3, 1, 1) * self.strength + images * (1 - self.strength)
        canvas = Canvas(torch.zeros_like(images))
        watching = None if request.options.silent else request
        Loop.optimise(Etching(canvas, request.options), {"goal": goal}, request.options.strokes, watching)
        return canvas.picture().detach()


class Canvas(nn.Module):
    """One parameter a picture, so that each has an optimizer of its own and none depends on its neighbours."""

    def __init__(self, images):
        super().__init__()
        self.sheets = nn.ParameterList([nn.Parameter(image.clone()) for image in images])

    def picture(self):
        return torch.stack([*self.sheets]).clamp(0, 1)


class Etching(Trainer):
    """The optimisation of a batch of pictures."""

    def __init__(self, canvas, options):
        super().__init__(canvas, {}, options)

    def optimizers(self):
        make = {"adam": lambda sheet: Adam([sheet], 0.1), "lbfgs": lambda sheet: LBFGS([sheet])}[self.options.tool]
        return {f"sheet {place}": make(sheet) for place, sheet in enumerate(self.model.sheets)}

    def step(self, batch, turns):
        losses = []
        for place, sheet in enumerate(self.model.sheets):

            def loss(sheet=sheet, goal=batch["goal"][place]):
                return (sheet - goal).square().sum()

            losses.append(loss().detach())
            with turns(f"sheet {place}") as turn:
                turn.minimise(loss() if self.options.tool == "adam" else loss)
        return {"iteration": torch.tensor(float(turns.step)), "loss": torch.stack(losses).mean()}

    def preview(self, batch):
        return {"canvas": self.model.picture()}


class ColourTrainer(Trainer):
    """What fit does: it only adds up."""

    def step(self, batch, turns):
        pictures = batch["picture"]
        self.model.colour_sum += turns.reduce(pictures.double().mean((2, 3)).sum(0))
        self.model.seen += turns.reduce(torch.tensor(len(pictures), device=pictures.device))
        return {"brightness": pictures.mean()}
