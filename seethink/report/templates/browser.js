// The browser of rollouts: a list of questions, of which only the visible rows exist, and the open question beside it.

const ROW = 64;            // height of a row of the list in CSS pixels, as in the style sheet
const GROUPS = 6;          // groups of an open question that are drawn at first
const STATE = ["outcome", "task", "arm", "step", "fault", "low", "high", "longer", "find", "order"];

class Browser {
  constructor(root) {
    const find = (selector) => root.querySelector(selector);
    this.rollouts = new Rollouts();
    this.root = root;
    this.form = find("form.filters");
    this.status = find(".status");
    this.list = find(".list");
    this.rows = find(".rows");
    this.detail = find(".detail");
    this.buttons = [...this.form.querySelectorAll(".outcomes button")];
    this.outcome = "all";
    this.open = null;
    this.kept = [];
    this.source = (name) => `data:image/webp;base64,${pictureData()[name]}`;
    this.listen();
  }

  // What the filters ask for.
  wanted() {
    const { task, arm, fault, order, low, high, longer, find, step } = this.form.elements;
    const number = (input) => (input.value === "" ? null : Number(input.value));
    return {
      outcome: this.outcome, task: task.value === "" ? null : task.value.slice(1), arm: number(arm), fault: fault.value.slice(1), order: order.value,
      low: number(low), high: number(high), longer: number(longer), find: find.value.trim().toLowerCase(),
      step: Number(step.value) ? this.rollouts.steps[step.value - 1] : null,
    };
  }

  // Filters from the address, #wrong&step=20&find=seven&at=KEY, and back. Arms are named, since their number may change.
  restore() {
    const state = new URLSearchParams(location.hash.slice(1)), { elements } = this.form;
    this.outcome = this.buttons.find((button) => state.has(button.value))?.value ?? "all";
    for (const name of ["fault", "task"]) this.choose(elements[name], state.has(name) ? `=${state.get(name)}` : "");
    this.choose(elements.order, state.get("order") ?? "");
    const arm = this.rollouts.arms.indexOf(state.get("arm"));
    this.choose(elements.arm, arm < 0 ? "" : String(arm));
    for (const name of ["low", "high", "longer", "find"]) elements[name].value = state.get(name) ?? "";
    elements.step.value = state.has("step") ? this.rollouts.steps.indexOf(Number(state.get("step"))) + 1 : 0;
    this.wantedKey = state.get("at");
    this.open = this.rollouts.questions.find((question) => question.key === this.wantedKey) ?? null;
  }

  choose(select, value) {
    select.value = value;
    if (select.selectedIndex < 0) select.value = "";
  }

  remember() {
    clearTimeout(this.soon);
    this.soon = setTimeout(() => {
      const wanted = this.wanted(), state = new URLSearchParams();
      if (wanted.arm !== null) wanted.arm = this.rollouts.arms[wanted.arm];
      for (const name of STATE.slice(1)) if (wanted[name] !== null && wanted[name] !== "") state.set(name, wanted[name]);
      if (this.open) state.set("at", this.open.key);
      history.replaceState(null, "", "#" + [this.outcome, state].filter(String).join("&"));
    }, 200);
  }

  // Reads a part and makes the filters that it needs.
  add(part) {
    this.rollouts.add(part);
    this.passedOver = part.passed_over ?? 0;
    const { elements } = this.form, { arms, steps, tasks, faults, questions } = this.rollouts;
    const options = (select, values) => {
      const chosen = select.value;
      select.replaceChildren(select.options[0], ...values.map(([value, text]) => element("option", { value }, plain(text, 100))));
      this.choose(select, chosen);
      select.parentElement.hidden = values.length < 2;
    };
    options(elements.task, tasks.map((task) => [`=${task}`, task]));
    options(elements.arm, arms.map((arm, i) => [i, arm]));
    options(elements.fault, faults.map(([fault, n]) => [`=${fault}`, `${fault} (${n})`]));
    elements.fault.parentElement.hidden = !faults.length;
    const atEnd = Number(elements.step.value) && elements.step.value === elements.step.max;
    elements.step.max = steps.length;
    if (atEnd) elements.step.value = steps.length;
    elements.step.parentElement.hidden = steps.length < 2;
    const places = questions.some((question) => question.places.length || question.answers.some((answer) => answer.places.length));
    elements.places.parentElement.hidden = !places;
    for (const name of ["low", "high", "longer", "order"]) elements[name].parentElement.hidden = !this.rollouts.answers;
    for (const part of ["form.filters", ".keys", ".panes"]) this.root.querySelector(part).hidden = !questions.length;
  }

  // Applies the filters: the counts on the buttons, the list, and the open question.
  show() {
    const wanted = this.wanted(), { counts, kept } = filtered(this.rollouts, wanted);
    this.kept = kept;
    for (const button of this.buttons) {
      button.setAttribute("aria-pressed", button.value === this.outcome);
      button.querySelector("span").textContent = (counts[button.value] ?? 0).toLocaleString("en");
      button.hidden = button.value !== "all" && button.value !== this.outcome && !this.rollouts.questions.some((q) => q.outcomes.some((names) => names.includes(button.value)));
    }
    this.form.querySelector(".steps output").textContent = wanted.step === null ? "all" : wanted.step;
    const answers = kept.reduce((sum, item) => sum + item.answers.length, 0);
    const all = this.rollouts.questions.length;
    this.status.textContent = `${kept.length.toLocaleString("en")}${kept.length < all ? ` of ${all.toLocaleString("en")}` : ""} question${all === 1 ? "" : "s"}`
      + (this.rollouts.answers ? `, ${answers.toLocaleString("en")} answer${answers === 1 ? "" : "s"}` : "") + "."
      + (this.passedOver ? ` ${this.passedOver.toLocaleString("en")} earlier answers are left out; --limit shows more.` : "");
    this.rows.style.height = `${kept.length * ROW}px`;
    if (!kept.some((item) => item.question === this.open)) this.open = kept[0]?.question ?? null;
    this.drawList();
    this.drawDetail();
  }

  at() {
    return this.kept.findIndex((item) => item.question === this.open);
  }

  drawList() {
    const from = Math.max(0, Math.floor(this.list.scrollTop / ROW) - 4);
    const to = Math.min(this.kept.length, from + Math.ceil(this.list.clientHeight / ROW) + 8);
    this.rows.replaceChildren(...this.kept.slice(from, to).map((item, i) => this.row(item, from + i)));
    const open = this.rows.querySelector("[aria-selected=true]");
    if (open) this.list.setAttribute("aria-activedescendant", open.id);
    else this.list.removeAttribute("aria-activedescendant");
  }

  row({ question, answers }, place) {
    const [first] = question.pictures, steps = grouped(answers).filter((group) => group.step !== null).map((group) => group.step);
    const facts = [plain(question.id.length > 28 ? `…${question.id.slice(-24)}` : question.id, 28)];
    if (steps.length) facts.push(`step ${steps[0]}${steps.length > 1 ? ` to ${steps.at(-1)}` : ""}`);
    if (answers.length) facts.push(`score ${shownNumber(mean(scores(answers)))}`);
    const shares = element("span", { className: "shares", "aria-hidden": "true" }, ...["right", "partly", "wrong", "unjudged"].map((name) => {
      const share = element("i", { className: name });
      share.style.flexGrow = answers.filter((answer) => kind(answer) === name).length;
      return share;
    }));
    const row = element("div", { className: "row", id: `q${question.at}`, role: "option", "aria-selected": question === this.open, "aria-posinset": place + 1, "aria-setsize": this.kept.length },
      first ? element("img", { src: this.source(first[0]), alt: "" }) : element("span", { className: "no-picture" }),
      element("span", { className: "asks", dir: "auto" }, plain(question.question, 160)),
      element("small", {}, element("span", { className: "of-row" }, facts.join(" · ")), answers.length ? shares : null));
    row.style.top = `${place * ROW}px`;
    row.addEventListener("click", () => this.select(question, true));
    return row;
  }

  drawDetail() {
    const item = this.kept[this.at()];
    if (!item) return this.detail.replaceChildren(element("p", { className: "nothing" }, "No question is left by these filters."));
    const { question } = item, passing = new Set(item.answers), { arms } = this.rollouts;
    const groups = grouped(question.answers).filter((group) => group.answers.some((answer) => passing.has(answer)));
    const places = placesOf(question, groups.slice(0, GROUPS), arms.length > 1);
    const remark = question.remark || question.answers.find((answer) => answer.remark)?.remark;
    const on = question.placed_on ?? 0;
    const pictures = element("div", { className: "pictures" },
      ...question.pictures.map((one, i) => picture(one, question.caption || `picture of question ${question.id}`, this.source, i === on ? places : [])),
      placeKey(places), remark ? element("p", { className: "caption" }, remark) : null,
      question.caption ? written("p", "caption", question.caption, 300) : null);
    const lost = question.lost ? element("p", { className: "caption" }, `${question.lost} of its pictures not on disk`) : null;
    const gold = element("p", { className: "gold" });
    if (question.gold === null) gold.append("no reference answer");
    else gold.append("reference answer ", written("b", "", String(question.gold), 300));
    gold.append(" ", written("small", "id", `${question.id.startsWith(question.task) ? "" : `${question.task} `}${question.id}`, 200));
    const box = element("div", { className: "answers" });
    this.detail.replaceChildren(
      element("div", { className: "asked-about" }, question.pictures.length ? pictures : lost,
        element("div", { className: "question" }, written("p", "question-text", question.question), gold)), box);
    this.drawGroups(box, groups, passing);
    this.detail.scrollTop = 0;
  }

  // Some groups at first, and the next ones by a button.
  drawGroups(box, groups, passing) {
    box.append(...groups.slice(0, GROUPS).map((group) => groupBox(group, passing, this.rollouts.arms)));
    const rest = groups.slice(GROUPS);
    if (!rest.length) return;
    const more = element("button", { type: "button", className: "more" }, `… ${rest.length} more steps and arms`);
    more.addEventListener("click", () => { more.remove(); this.drawGroups(box, rest, passing); });
    box.append(more);
  }

  select(question, byHand) {
    this.open = question;
    const top = this.at() * ROW;
    if (top < this.list.scrollTop) this.list.scrollTop = top;
    else if (top + ROW > this.list.scrollTop + this.list.clientHeight) this.list.scrollTop = top + ROW - this.list.clientHeight;
    this.drawList();
    this.drawDetail();
    this.remember();
    if (byHand && matchMedia("(max-width: 52rem)").matches) this.detail.scrollIntoView();
  }

  move(by) {
    if (!this.kept.length) return;
    const to = Math.min(Math.max(this.at() + by, 0), this.kept.length - 1);
    this.select(this.kept[to].question, false);
  }

  listen() {
    const { elements } = this.form;
    this.form.addEventListener("submit", (event) => event.preventDefault());
    this.form.addEventListener("input", (event) => {
      if (event.target === elements.places) this.root.classList.toggle("no-places", !elements.places.checked);
      this.list.scrollTop = 0;
      this.remember();
      this.show();
    });
    for (const button of this.buttons) button.addEventListener("click", () => { this.outcome = button.value; this.list.scrollTop = 0; this.remember(); this.show(); });
    this.form.querySelector(".clear").addEventListener("click", () => { this.form.reset(); this.outcome = "all"; this.root.classList.remove("no-places"); this.remember(); this.show(); });
    this.list.addEventListener("scroll", () => {
      this.drawing ??= requestAnimationFrame(() => { this.drawing = null; this.drawList(); });
    });
    addEventListener("resize", () => this.drawList());
    addEventListener("hashchange", () => { this.restore(); this.show(); });
    addEventListener("keydown", (event) => this.key(event));
  }

  key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const { elements } = this.form;
    if (event.target.closest("input:not([type=checkbox]), select, textarea")) {
      if (event.key === "Escape") event.target.blur();
      return;
    }
    const inList = event.target.closest(".list") !== null;
    const page = Math.max(1, Math.floor(this.list.clientHeight / ROW) - 1);
    const by = { j: 1, ArrowRight: 1, k: -1, ArrowLeft: -1 }[event.key]
      ?? (inList ? { ArrowDown: 1, ArrowUp: -1, PageDown: page, PageUp: -page, Home: -Infinity, End: Infinity }[event.key] : undefined);
    if (by) this.move(by);
    else if (event.key === "/") elements.find.focus();
    else if (event.key === "b") elements.places.click();
    else if (event.key === "[" || event.key === "]") {
      elements.step.value = Number(elements.step.value) + (event.key === "]" ? 1 : -1);
      this.remember();
      this.show();
    } else return;
    event.preventDefault();
  }

  trouble(text) {
    const place = this.root.querySelector(".trouble");
    place.textContent = text;
    place.hidden = !text;
  }
}

// Data --------------------------------------------------------------------------------------------------------------

let pictures = null;
function pictureData() {
  return (pictures ??= JSON.parse(document.getElementById("pictures").textContent));
}

// The data that the page holds, as gzip in base64.
async function heldPart(base64) {
  let bytes;
  if (Uint8Array.fromBase64) bytes = Uint8Array.fromBase64(base64);
  else {
    const binary = atob(base64);
    bytes = new Uint8Array(binary.length);
    for (let i = 0; i < binary.length; i++) bytes[i] = binary.charCodeAt(i);
  }
  return JSON.parse(await new Response(new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"))).text());
}

// Asks a local server for the parts that came since, and draws them, as long as the page is open.
async function follow(browser) {
  browser.source = (name) => `pictures/${name}`;
  for (let next = 0, first = true; ; ) {
    let wait = 2000;
    try {
      const answer = await fetch(`parts/${browser.root.dataset.live}/${next}`, { cache: "no-store" });
      if (answer.status === 410) return location.reload();
      if (answer.status === 200) {
        browser.add(await answer.json());
        if (first) browser.restore();
        browser.show();
        first = false;
        next += 1;
        wait = 0;
      } else if (answer.status !== 204) throw new Error(await answer.text());
      browser.trouble("");
      const curves = await fetch("curves", { cache: "no-store" });
      if (curves.ok && wait) drawCurves(browser.root, await curves.text());
      if (wait && first) browser.status.textContent = "No rollouts yet; this page shows them as they are written.";
    } catch (error) {
      browser.trouble(`Not up to date: ${error.message}`);
    }
    await new Promise((resolve) => setTimeout(resolve, wait));
  }
}

// Curves come as HTML of our own templates, in which all text is escaped; the policy of the page lets no script in it run.
function drawCurves(root, html) {
  const place = root.querySelector(".curves"), drawn = place.querySelector(".drawn");
  if (drawn.dataset.html === html) return;
  drawn.dataset.html = html;
  drawn.innerHTML = html;
  place.hidden = !html.trim();
  drawn.querySelectorAll(".plot").forEach(showValues);
  offerFigures(drawn);
}

async function look(root) {
  if (matchMedia("(max-width: 52rem)").matches) root.querySelector(".curves").open = false;
  const browser = new Browser(root);
  if (root.dataset.live) return follow(browser);
  try {
    browser.add(await heldPart(document.getElementById("rollouts").textContent));
    browser.restore();
    browser.show();
    prepareSearch(browser.rollouts.questions);
  } catch (error) {
    browser.status.textContent = "";
    browser.trouble(`The rollouts could not be read (${error.message}); this page needs a browser of 2023 or later.`);
  }
}

look(document.querySelector(".look"));
