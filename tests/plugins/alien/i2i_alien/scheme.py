"""The alien's networks and its step."""

import torch
from torch import nn
from torch.optim import SGD, Adam

from i2i import Geometry, Trainer


class Alien(nn.Module):
    geometry = Geometry(multiple_of=2, min_size=4, margin=6, tiling="margin")

    def __init__(self, options):
        super().__init__()
        width = options.width
        self.trunk = nn.Sequential(nn.Conv2d(3, width, 3, padding=1), nn.BatchNorm2d(width), nn.ReLU(), nn.Dropout(0.1))
        self.painter = nn.Conv2d(width, 3, 3, padding=1)
        self.critic = nn.Conv2d(width, 1, 1)
        self.guesser = nn.Linear(width, 3)
        self.lens = nn.Conv2d(3, 3, 3, padding=1, bias=False)  # nobody's: it stays as it is

    def paint(self, pictures):
        return torch.sigmoid(self.painter(self.trunk(self.lens(pictures))).float())

    def translate(self, images, request):
        return self.paint(images)


class AlienTrainer(Trainer):
    def __init__(self, *parts):
        super().__init__(*parts)
        self.seen = 0
        self.mean_colour = None

    def optimizers(self):
        model, rate = self.model, self.options.learning_rate
        return {
            "painter": Adam([*model.trunk.parameters(), *model.painter.parameters()], rate),
            "critic": SGD(model.critic.parameters(), rate, momentum=0.9),
            "guesser": Adam([*model.guesser.parameters(), *model.trunk.parameters()], rate),
        }

    def learning_rate(self, optimizer, step):
        return 0.9**step if optimizer == "guesser" else 1.0

    def step(self, batch, turns):
        model, source, target = self.model, batch["source"], batch["target"]
        scalars = {}
        with turns("painter") as turn:
            fake = model.paint(source + 0.01 * turns.noise(source.shape) + 0.01 * torch.randn_like(source))
            loss = self.losses["judgement"].generator(model.critic(model.trunk(fake)).float())
            loss = loss + self.losses["likeness"](fake, source)
            turn.minimise(loss)
            scalars["painter"] = loss.detach()
        if turns.step % 2 == 0:
            with turns("critic") as turn:
                real, fake = (model.critic(model.trunk(seen)).float() for seen in (target, fake.detach()))
                loss = self.losses["judgement"].discriminator(real, fake)
                turn.minimise(loss)
                scalars["critic"] = loss.detach()
        with turns("guesser") as turn:
            guess = model.guesser(model.trunk(target).mean((2, 3))).float()
            loss = (guess - target.mean((2, 3))).square().mean()
            turn.minimise(loss)
            scalars["guesser"] = loss.detach()
        self.seen += len(source)
        self.mean_colour = turns.reduce(target.mean((0, 2, 3)))
        return scalars

    def preview(self, batch):
        return {"source": batch["source"], "repainted": self.model.paint(batch["source"])}

    def state_dict(self):
        return {"seen": self.seen, "mean_colour": self.mean_colour}

    def load_state_dict(self, state):
        self.seen, self.mean_colour = state["seen"], state["mean_colour"]
