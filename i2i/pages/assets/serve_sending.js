// Pictures and wishes on their way to the server, which may ask to wait.

const SLACK = 2 ** 16; // bytes of a request that are no picture's

// What the server would refuse is not sent; it says why.
export function refusedAlready(pictures, limits) {
  const isLarge = (picture) => picture.size > limits.picture_bytes || picture.size > limits.body_bytes - SLACK;
  const most = Math.round(Math.min(limits.picture_bytes, limits.body_bytes) / 2 ** 20);
  const refused = pictures.filter(isLarge).map((picture) => `${picture.name}: too large, files of up to ${most} MiB are taken.`);
  return { fitting: pictures.filter((picture) => !isLarge(picture)), refused };
}

// As many jobs as it takes, one after another; `open(title)` gives each its card.
export async function sendPictures(pictures, masks, settings, limits, open) {
  const parts = inParts(pictures, limits).map((part) => [part, open(titleOf(part))]);
  for (const [part, card] of parts) {
    if (card.isGone) continue;
    await send(card, () => {
      const form = new FormData();
      form.append("settings", JSON.stringify(settings));
      for (const picture of part) form.append("pictures", picture, picture.name || "picture.png");
      for (const mask of masksFor(part, masks)) form.append("masks", mask, mask.name);
      return [form, null];
    });
  }
}

export function sendWish(settings, card) {
  return send(card, () => [JSON.stringify(settings), "application/json"]);
}

// One request until it is taken or refused for good.
async function send(card, body) {
  for (;;) {
    const answer = await post(card, ...body());
    if (card.isGone) {
      if (answer.told?.id) fetch(`/api/jobs/${answer.told.id}`, { method: "DELETE" });
      return;
    }
    if (answer.status === 201) {
      card.follow(answer.told);
      return;
    }
    if (answer.status !== 429) {
      card.refused(answer.told?.error ?? "the server does not answer; is it still running?");
      return;
    }
    for (let left = answer.wait; left > 0 && !card.isGone; left -= 1) {
      card.waits(`${answer.told.error}: once more in ${left} s`);
      await new Promise((resolve) => setTimeout(resolve, 1000));
    }
  }
}

function post(card, body, kind) {
  return new Promise((resolve) => {
    const request = new XMLHttpRequest();
    request.open("POST", "/api/jobs");
    if (kind) request.setRequestHeader("Content-Type", kind);
    request.upload.addEventListener("progress", (event) => {
      if (event.lengthComputable) card.sent(event.loaded / event.total);
    });
    request.addEventListener("loadend", () => {
      let told = null;
      try {
        told = JSON.parse(request.responseText);
      } catch {
        // nothing that could be read came back
      }
      resolve({ status: request.status, told, wait: Number(request.getResponseHeader("Retry-After")) || 5 });
    });
    card.stopping = () => request.abort();
    request.send(body);
  });
}

function inParts(pictures, limits) {
  const parts = [];
  let size = Infinity;
  for (const picture of pictures) {
    size += picture.size + 1024;
    if (size > limits.body_bytes - SLACK || parts.at(-1).length >= limits.pictures) {
      parts.push([]);
      size = picture.size + 1024;
    }
    parts.at(-1).push(picture);
  }
  return parts;
}

function masksFor(pictures, masks) {
  const stem = (file) => file.name.replace(/\.[^.]*$/, "");
  const stems = new Set(pictures.map(stem));
  return masks.length < 2 ? masks : masks.filter((mask) => stems.has(stem(mask)));
}

function titleOf(pictures) {
  return pictures.length === 1 ? pictures[0].name || "picture" : `${pictures.length} pictures`;
}
