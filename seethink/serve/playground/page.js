"use strict";
// The page asks this server's own /v1/chat/completions, as any client does.

const at = (id) => document.getElementById(id);
const settings = JSON.parse(at("settings").textContent);
const COLOURS = ["#d1495b", "#1b7f79", "#3d5a98", "#b5781a", "#7b4fa3", "#4d7c2f"];
let picture = null; // a data URI
let running = null; // the AbortController of what is asked

// The form -----------------------------------------------------------------------------------------------

at("model").textContent = settings.model;
at("tokens").value = settings.max_tokens;
at("tokens").max = settings.max_tokens;
at("keyed").hidden = !settings.keyed;
for (const name of settings.solvers) {
  at("solver").add(new Option(name, name, false, name === settings.solver));
  at("beside").add(new Option(name, name));
}
for (const example of settings.examples) {
  const button = document.createElement("button"), image = document.createElement("img");
  button.type = "button";
  button.title = image.alt = example.question;
  image.src = example.picture;
  button.append(image);
  button.addEventListener("click", () => {
    show(example.picture);
    at("question").value = example.question;
  });
  at("examples").append(button);
}

function show(uri) {
  picture = at("picture").src = uri;
  at("picture").hidden = false;
  at("hint").textContent = "Choose, drop or paste another one.";
}

function read(file) {
  if (!file || !file.type.startsWith("image/")) return;
  const reader = new FileReader();
  reader.addEventListener("load", () => show(reader.result));
  reader.readAsDataURL(file);
}

at("file").addEventListener("change", (event) => read(event.target.files[0]));
document.addEventListener("paste", (event) => read(event.clipboardData.files[0]));
for (const kind of ["dragover", "dragleave", "drop"]) {
  at("drop").addEventListener(kind, (event) => {
    event.preventDefault();
    at("drop").classList.toggle("over", kind === "dragover");
    if (kind === "drop") read(event.dataTransfer.files[0]);
  });
}

at("stop").addEventListener("click", () => running && running.abort());
at("form").addEventListener("submit", async (event) => {
  event.preventDefault();
  if (running) return;
  running = new AbortController();
  at("ask").disabled = true;
  at("stop").hidden = false;
  at("answers").replaceChildren();
  const solvers = [at("solver").value, at("beside").value].filter(Boolean);
  await Promise.all(solvers.map((solver) => ask(solver, panel(solver), running.signal)));
  running = null;
  at("ask").disabled = false;
  at("stop").hidden = true;
});

// One answer -----------------------------------------------------------------------------------------------

function panel(solver) {
  const article = at("answer").content.cloneNode(true).firstElementChild;
  article.querySelector("h2").textContent = solver;
  at("answers").append(article);
  return article;
}

async function ask(solver, article, signal) {
  const begun = performance.now();
  const content = picture ? [{ type: "image_url", image_url: { url: picture } }] : [];
  content.push({ type: "text", text: at("question").value });
  const headers = { "Content-Type": "application/json" };
  if (settings.keyed) headers.Authorization = `Bearer ${at("key").value}`;
  const body = {
    model: settings.model, messages: [{ role: "user", content }], solver, details: true, stream: true,
    stream_options: { include_usage: true }, max_tokens: Number(at("tokens").value),
    temperature: Number(at("temperature").value),
  };
  const said = { thought: "", content: "", details: null, usage: null };
  try {
    const options = { method: "POST", headers, body: JSON.stringify(body), signal };
    const response = await fetch("v1/chat/completions", options);
    if (!response.ok) throw new Error((await response.json()).error.message);
    for await (const event of events(response.body)) {
      if (event.error) throw new Error(event.error.message);
      const choice = event.choices[0];
      said.thought += choice?.delta.reasoning ?? "";
      said.content += choice?.delta.content ?? "";
      said.details = choice?.details ?? said.details;
      said.usage = event.usage ?? said.usage;
      draw(article, said);
    }
  } catch (error) {
    const place = article.querySelector(".error");
    place.textContent = error.name === "AbortError" ? "Stopped." : error.message;
    place.hidden = false;
  }
  const seconds = ((performance.now() - begun) / 1000).toFixed(1);
  const tokens = said.usage ? `${said.usage.completion_tokens} tokens sampled, ` : "";
  article.querySelector(".cost").textContent = `${tokens}${seconds} s`;
}

/** The JSON of server-sent events, to `[DONE]`. */
async function* events(stream) {
  let text = "";
  const decoder = new TextDecoder();
  for (const reader = stream.getReader(); ;) {
    const { value, done } = await reader.read();
    text += done ? "" : decoder.decode(value, { stream: true });
    const blocks = text.split("\n\n");
    text = blocks.pop();
    for (const block of blocks) {
      const data = block.split("\n").find((line) => line.startsWith("data: ")).slice(6);
      if (data === "[DONE]") return;
      yield JSON.parse(data);
    }
    if (done) throw new Error("the server ended the answer before it was complete");
  }
}

function draw(article, said) {
  const part = (name) => article.querySelector(name);
  const steps = said.thought.trim().split(/\n\n+/).filter(Boolean);
  part(".thought").hidden = !steps.length;
  part(".thought ol").className = steps.length > 1 ? "" : "single";
  part(".thought ol").replaceChildren(...steps.map((step) => filled("li", step)));
  part(".content").hidden = !said.content.trim();
  part(".content p").textContent = said.content.trim();
  const ways = said.details?.parts ?? [];
  part(".parts").hidden = !ways.length;
  part(".columns").replaceChildren(...ways.map(way));
  if (said.details?.boxes?.length && picture) boxes(part("figure"), said.details.boxes);
}

function way({ name, text, value }) {
  const place = filled("div", text.trim());
  const score = value === null ? "" : ` · ${Number(value.toFixed(3))}`;
  place.prepend(filled("b", `${name}${score}`));
  return place;
}

function filled(tag, text) {
  const element = document.createElement(tag);
  element.textContent = text;
  return element;
}

/** The picture with boxes, which are in its pixels. */
function boxes(figure, found) {
  const image = at("picture"), canvas = figure.querySelector("canvas"), context = canvas.getContext("2d");
  const scale = Math.max(1, Math.min(4, 640 / Math.max(image.naturalWidth, image.naturalHeight)));
  canvas.width = image.naturalWidth * scale;
  canvas.height = image.naturalHeight * scale;
  context.drawImage(image, 0, 0, canvas.width, canvas.height);
  context.lineWidth = Math.max(3, canvas.width / 200);
  found.forEach(([x1, y1, x2, y2], i) => {
    context.strokeStyle = COLOURS[i % COLOURS.length];
    context.strokeRect(x1 * scale, y1 * scale, (x2 - x1) * scale, (y2 - y1) * scale);
  });
  figure.hidden = false;
}
