// Filters of a gallery: outcome, task, arm, format fault, order and text. They are kept in the address:
// #mended&task=unseen&arm=grpo&find=seven
function filterCards(gallery) {
  const counts = JSON.parse(gallery.querySelector("script").textContent);
  const cards = [...gallery.querySelectorAll(".card")];
  const form = gallery.querySelector("form");
  const buttons = [...form.querySelectorAll("button")];
  const { task, arm, fault, find, every, order, places } = form.elements;
  const list = gallery.querySelector(".cards");
  const texts = cards.map((card) => `${card.textContent} ${card.querySelector(".id").title}`.toLowerCase());
  const outcomes = cards.map((card) => card.dataset.outcomes.split(";").map((names) => names ? ["all", ...names.split(" ")] : []));
  const faults = cards.map((card) => JSON.parse(card.dataset.faults));
  const allArms = String(arm.options.length - 1);
  let outcome = "all";

  function restore() {
    const state = new URLSearchParams(location.hash.slice(1));
    const named = buttons.find((button) => state.has(button.value));
    if (!named) return;
    outcome = named.value;
    for (const select of [task, arm, fault, order]) {
      const option = [...select.options].find((option) => state.has(select.name) && option.text === state.get(select.name));
      if (option) option.selected = true;
      else if (select !== arm) select.value = "";
    }
    find.value = state.get("find") ?? "";
    gallery.scrollIntoView();
  }

  function remember() {
    const state = new URLSearchParams();
    for (const select of [task, arm, fault, order])
      if (select === arm ? arm.options.length > 2 : select.value) state.set(select.name, select.selectedOptions[0].text);
    if (find.value) state.set("find", find.value);
    history.replaceState(null, "", ["#" + outcome, state].filter(String).join("&"));
  }

  function total(name) {
    const tasks = task.value ? [counts[task.value]] : Object.values(counts);
    return tasks.reduce((sum, arms) => sum + arms[arm.value][name], 0);
  }

  // The number on a button is how many questions it leaves, those outside the sample included.
  function show() {
    const words = find.value.trim().toLowerCase();
    const fits = cards.map((card, i) => (!task.value || card.dataset.task === task.value)
      && texts[i].includes(words) && (!fault.value || faults[i].includes(fault.value)));
    const left = (name) => cards.filter((_, i) => fits[i] && outcomes[i][arm.value].includes(name)).length;
    const narrowed = words || fault.value;
    cards.forEach((card, i) => {
      card.hidden = !fits[i] || !outcomes[i][arm.value].includes(outcome);
      for (const answers of card.querySelectorAll("[data-arm]"))
        answers.hidden = every && !every.checked && arm.value !== allArms && !["0", arm.value].includes(answers.dataset.arm);
    });
    for (const button of buttons) {
      button.setAttribute("aria-pressed", button.value === outcome);
      button.querySelector("span").textContent = (narrowed ? left(button.value) : total(button.value)).toLocaleString("en");
    }
    const shown = left(outcome);
    const sampled = !narrowed && shown < total(outcome) ? ` A sample of ${shown} out of ${total(outcome).toLocaleString("en")} questions.` : "";
    gallery.querySelector("[role=status]").textContent = (shown === 1 ? "1 card." : `${shown} cards.`) + sampled;
    if (places) gallery.classList.toggle("no-places", !places.checked);
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
    if (event.target.closest("input:not([type=checkbox]), select, textarea")) {
      if (event.key === "Escape") event.target.blur();
      return;
    }
    const by = { j: 1, ArrowRight: 1, k: -1, ArrowLeft: -1 }[event.key];
    if (by) move(by);
    else if (event.key === "/") find.focus();
    else if (event.key === "b" && places) places.click();
    else return;
    event.preventDefault();
  });
  order.addEventListener("change", sort);
  form.addEventListener("change", (event) => { if (event.target.type === "checkbox") event.target.blur(); });
  buttons.forEach((button) => button.addEventListener("click", () => { outcome = button.value; remember(); show(); }));
  form.addEventListener("input", () => { remember(); show(); });
  form.addEventListener("submit", (event) => event.preventDefault());
  addEventListener("hashchange", () => { restore(); sort(); show(); });
  form.hidden = false;
  gallery.querySelector(".keys").hidden = false;
  restore();
  sort();
  show();
}

document.querySelectorAll(".gallery").forEach(filterCards);
