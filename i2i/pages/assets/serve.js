// The page of `i2i serve`: what is chosen, dropped, pasted or asked for becomes a job.
import { Form } from "./serve_form.js";
import { Jobs } from "./serve_jobs.js";
import { refusedAlready, sendPictures, sendWish } from "./serve_sending.js";

const at = (id) => document.getElementById(id);
const form = new Form(at);
const jobs = new Jobs(at("jobs"), { said: at("said"), empty: at("empty") });

async function begin() {
  let told;
  try {
    const answer = await fetch("/api/models");
    told = await answer.json();
    if (!answer.ok) throw new Error(told.error);
  } catch (error) {
    complain(`The models cannot be listed: ${error.message}`);
    return;
  }
  form.show(told.models);
  const minutes = Math.round(told.limits.kept_seconds / 60);
  at("kept").textContent = minutes === 1 ? "one minute" : minutes < 1 ? "a while" : `${minutes} minutes`;
  const isHere = /^(localhost|127\.[\d.]+|\[::1\])$/.test(location.hostname);
  at("where").textContent = isHere ? "i2i on this machine" : `i2i on ${location.hostname}`;
  at("count").max = told.limits.samples;
  wire(told.limits);
  jobs.recall();
}

function wire(limits) {
  const take = (files) => {
    const pictures = [...files];
    if (!pictures.length) return;
    complain("");
    const model = form.model;
    if (!model?.translates) {
      complain(`${model?.title ?? "This model"} makes pictures out of nothing and takes none; choose another model.`);
      return;
    }
    const settings = form.translating();
    if (!settings) return;
    const masks = model.fills ? [...at("mask").files] : [];
    const { fitting, refused } = refusedAlready(pictures, limits);
    if (refused.length) complain(refused.join(" "));
    sendPictures(fitting, masks, settings, limits, (title) => shown(jobs.open(title, model)));
  };
  const files = at("files");
  at("choose").addEventListener("click", () => files.click());
  files.addEventListener("change", () => {
    take(files.files);
    files.value = "";
  });
  let depth = 0;
  const carries = (event) => event.dataTransfer?.types.includes("Files");
  const over = (isOver) => at("drop").classList.toggle("over", isOver);
  document.addEventListener("dragenter", (event) => carries(event) && over((depth += 1) > 0));
  document.addEventListener("dragleave", (event) => carries(event) && over((depth -= 1) > 0));
  document.addEventListener("dragover", (event) => carries(event) && event.preventDefault());
  document.addEventListener("drop", (event) => {
    if (!carries(event)) return;
    event.preventDefault();
    over((depth = 0) > 0);
    take(event.dataTransfer.files);
  });
  document.addEventListener("paste", (event) => take(event.clipboardData?.files ?? []));

  at("sample").addEventListener("submit", (event) => {
    event.preventDefault();
    complain("");
    const settings = form.sampling();
    if (settings) sendWish(settings, shown(jobs.open(form.titleOf(settings), form.model)));
  });
  at("another").addEventListener("click", () => {
    at("sample-seed").value = Math.floor(Math.random() * 1e6);
    at("sample").requestSubmit();
  });
}

// On a narrow page results lie below what was just used.
function shown(card) {
  card.element.scrollIntoView({ block: "nearest" });
  return card;
}

function complain(text) {
  at("trouble").textContent = text;
  at("trouble").hidden = !text;
}

begin();
