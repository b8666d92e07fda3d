"use strict";

// Filters of a gallery: outcome, task, arm and text. They are kept in the address: #flipped&task=unseen&arm=grpo&find=seven
function filterCards(gallery) {
  const counts = JSON.parse(gallery.querySelector("script").textContent);
  const cards = [...gallery.querySelectorAll(".card")];
  const form = gallery.querySelector("form");
  const buttons = [...form.querySelectorAll("button")];
  const { task, arm, find, every, order } = form.elements;
  const list = gallery.querySelector(".cards");
  const texts = cards.map((card) => `${card.textContent} ${card.querySelector(".id").title}`.toLowerCase());
  const outcomes = cards.map((card) => card.dataset.outcomes.split(";").map((names) => ["all", ...names.split(" ")]));
  let outcome = "all";

  function restore() {
    const state = new URLSearchParams(location.hash.slice(1));
    const named = buttons.find((button) => state.has(button.value));
    if (!named) return;
    outcome = named.value;
    const arms = [...arm.options].map((option) => option.text);
    if (arms.includes(state.get("arm"))) arm.selectedIndex = arms.indexOf(state.get("arm"));
    task.value = [...task.options].some((option) => option.value === state.get("task")) ? state.get("task") : "";
    find.value = state.get("find") ?? "";
    gallery.scrollIntoView();
  }

  function remember() {
    const state = new URLSearchParams();
    if (task.value) state.set("task", task.value);
    if (arm.options.length > 1) state.set("arm", arm.selectedOptions[0].text);
    if (find.value) state.set("find", find.value);
    history.replaceState(null, "", ["#" + outcome, state].filter(String).join("&"));
  }

  function total(name) {
    const tasks = task.value ? [counts[task.value]] : Object.values(counts);
    return tasks.reduce((sum, arms) => sum + arms[arm.value][name], 0);
  }

  function show() {
    const words = find.value.trim().toLowerCase();
    let embedded = 0, shown = 0;
    cards.forEach((card, i) => {
      const belongs = (!task.value || card.dataset.task === task.value) && outcomes[i][arm.value].includes(outcome);
      const found = belongs && texts[i].includes(words);
      card.hidden = !found;
      embedded += belongs;
      shown += found;
      for (const answer of card.querySelectorAll("[data-arm]"))
        answer.hidden = every && !every.checked && !["0", arm.value].includes(answer.dataset.arm);
    });
    for (const button of buttons) {
      button.setAttribute("aria-pressed", button.value === outcome);
      button.querySelector("span").textContent = total(button.value).toLocaleString("en");
    }
    const message = words ? `${shown} of ${embedded} cards contain this text.` : `${shown} cards.`;
    const sampled = embedded < total(outcome) ? ` A sample of ${embedded} out of ${total(outcome).toLocaleString("en")} questions.` : "";
    gallery.querySelector("[role=status]").textContent = message + sampled;
  }

  // Cards without a score come last, whatever the order.
  function sort() {
    const key = order.value.replace("-", ""), sign = order.value.startsWith("-") ? -1 : 1;
    const value = (card) => (card.dataset[key] === "" ? Infinity : sign * Number(card.dataset[key]));
    const sorted = key ? [...cards].sort((a, b) => value(a) - value(b)) : cards;
    list.append(...sorted);
  }

  function move(by) {
    const shown = [...list.children].filter((card) => !card.hidden);
    const at = shown.indexOf(document.activeElement.closest(".card"));
    const next = shown[at < 0 ? 0 : Math.min(Math.max(at + by, 0), shown.length - 1)];
    if (!next) return;
    next.focus({ preventScroll: true });
    next.scrollIntoView({ block: "start" });
  }

  addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.target.closest("input, select, textarea")) {
      if (event.key === "Escape") event.target.blur();
      return;
    }
    const by = { j: 1, ArrowRight: 1, k: -1, ArrowLeft: -1 }[event.key];
    if (by) move(by);
    else if (event.key === "/") find.focus();
    else return;
    event.preventDefault();
  });
  order.addEventListener("change", sort);
  buttons.forEach((button) => button.addEventListener("click", () => { outcome = button.value; remember(); show(); }));
  form.addEventListener("input", () => { remember(); show(); });
  form.addEventListener("submit", (event) => event.preventDefault());
  addEventListener("hashchange", () => { restore(); show(); });
  form.hidden = false;
  gallery.querySelector(".keys").hidden = false;
  restore();
  show();
}

// Shows the values of a plot at the step under the pointer.
function showValues(plot) {
  const [from, to] = JSON.parse(plot.dataset.steps);
  const [low, high] = JSON.parse(plot.dataset.values);
  const svg = plot.querySelector("svg");
  const { width, height } = svg.viewBox.baseVal;
  const output = plot.querySelector("output");
  const rule = plot.querySelector("i");
  const format = plot.dataset.unit === "share"
    ? (value) => (100 * value).toFixed(1) + "\u00a0%"
    : (value) => Number(value.toPrecision(3)).toLocaleString("en", { maximumSignificantDigits: 3 });
  const curves = [...plot.querySelectorAll("polyline.raw")]
    .map((line) => ({ name: line.dataset.stage, points: [...line.points] }));

  plot.addEventListener("pointermove", (event) => {
    const box = svg.getBoundingClientRect();
    const x = Math.min(Math.max((event.clientX - box.left) / box.width, 0), 1) * width;
    const near = curves.map(({ points }) =>
      points.reduce((best, point) => (Math.abs(point.x - x) < Math.abs(best.x - x) ? point : best)));
    const values = near.map((point, i) => {
      const value = format(low + (1 - point.y / height) * (high - low));
      return curves.length > 1 ? `${curves[i].name} ${value}` : value;
    });
    output.textContent = `step ${Math.round(from + (near[0].x / width) * (to - from))}: ${values.join(", ")}`;
    rule.style.left = `${(100 * near[0].x) / width}%`;
    plot.classList.add("hovered");
  });
  plot.addEventListener("pointerleave", () => plot.classList.remove("hovered"));
}

document.querySelectorAll(".gallery").forEach(filterCards);
document.querySelectorAll(".plot").forEach(showValues);
