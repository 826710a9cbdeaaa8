from torch.optim import Adam

from i2i import Trainer


class Scheme(Trainer):
    def __init__(self, *parts):
        super().__init__(*parts)
        self.seen = 0

    def optimizers(self):
        model, rate = self.model, self.options.learning_rate
        return {
            "painter": Adam([*model.network.parameters(), model.tint], rate),
            "critic": Adam(model.critic.parameters(), rate),
        }

    def step(self, batch, turns):
        model, picture = self.model, batch["picture"]
        self.seen += 1
        with turns("painter") as turn:
            fake = model.repaint(model.lens(picture))
            likeness = self.losses["likeness"](fake, model.repaint(picture).detach() / 2)
            loss = likeness + self.losses["game"].generator(model.critic(fake))
            self.learn(turn, "painter", loss * self.share())
        if turns.step % 2 == 0:
            with turns("critic") as turn:
                logits = model.critic(picture), model.critic(fake.detach())
                self.learn(turn, "critic", self.losses["game"].discriminator(*logits))
        return {"painter": loss.detach(), "likeness": likeness.detach()}

    def learn(self, turn, name, loss):
        turn.minimise(loss)

    def share(self):
        return 1 / self.seen

    def preview(self, batch):
        return {"picture": batch["picture"]}

    def state_dict(self):
        return {"seen": self.seen}

    def load_state_dict(self, state):
        self.seen = state["seen"]
