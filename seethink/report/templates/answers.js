// Questions and answers as elements of the page.
// All text is written as text nodes; nothing that a model wrote is ever read as HTML.

const AT_ONCE = 700;       // characters of a text that are shown at first
const MORE = 20000;        // and at each click on "more"
const DARKEST = 6;         // a log-ratio or an entropy of this size has the full colour

// Characters that are invisible or turn the text around: control characters, marks of direction, tags.
const ODD = /(?:[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u00ad\u061c\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u2069\ufeff\ufff9-\ufffb]|[\u{e0000}-\u{e007f}])+/gu;

function element(name, properties = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(properties)) {
    if (key.startsWith("data-") || key.startsWith("aria-") || key === "role" || key === "for") made.setAttribute(key, value);
    else made[key] = value;
  }
  made.append(...children.filter((child) => child !== null));
  return made;
}

function vector(name, attributes, ...children) {
  const made = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...children);
  return made;
}

const code = (character) => "U+" + character.codePointAt(0).toString(16).toUpperCase().padStart(4, "0");

// `text` into `parent`; odd characters are named, a run of the same one once with its number.
function write(parent, text) {
  let from = 0;
  for (const found of text.matchAll(ODD)) {
    parent.append(text.slice(from, found.index));
    const characters = [...found[0]];
    for (let i = 0, n; i < characters.length; i += n) {
      for (n = 1; characters[i + n] === characters[i]; ) n += 1;
      parent.append(element("span", { className: "odd", title: "a character that has no form of its own" }, code(characters[i]) + (n > 1 ? ` ×${n}` : "")));
    }
    from = found.index + found[0].length;
  }
  parent.append(text.slice(from));
  return parent;
}

// A text in an element of its own: its beginning, and a button that shows more of it.
function written(name, className, text, atOnce = AT_ONCE) {
  const box = element(name, { className, dir: "auto" });
  let shown = 0;
  const more = element("button", { type: "button", className: "more" });
  const show = (n) => {
    let end = Math.min(text.length, shown + n);
    if (end < text.length && /[\ud800-\udbff]/.test(text[end - 1])) end -= 1;
    more.remove();
    write(box, text.slice(shown, end));
    shown = end;
    if (shown < text.length) {
      more.textContent = `… ${(text.length - shown).toLocaleString("en")} more characters`;
      box.append(more);
    }
  };
  more.addEventListener("click", (event) => { event.stopPropagation(); show(MORE); });
  show(atOnce);
  return box;
}

const plain = (text, length) => text.slice(0, length).replace(ODD, "�");

function shownNumber(value) {
  if (value === null || value === undefined) return "?";
  return Number(value.toPrecision(3)).toLocaleString("en", { maximumSignificantDigits: 3 });
}

const kind = (answer) => answer.verdict ?? "unjudged";
const VERDICTS = { right: "✓ right", partly: "◐ partly right", wrong: "✗ wrong", unjudged: "? not judged" };

// The question ---------------------------------------------------------------------------------------------------

// A picture at its own size, small ones magnified by a whole factor; `places` are drawn over it.
function picture([name, width, height], caption, source, places) {
  const factor = Math.max(1, Math.floor(224 / Math.max(width, height)));
  const wide = factor > 1 ? width * factor : Math.min(width, 448, Math.round((448 * width) / height));
  const image = element("img", { src: source(name), alt: caption, className: factor > 1 ? "magnified" : "" });
  const placed = element("div", { className: "placed" }, image);
  placed.style.width = `${places.length ? Math.max(wide, 288) : wide}px`;
  placed.style.aspectRatio = `${width} / ${height}`;
  if (places.length) placed.append(drawnPlaces(places));
  return placed;
}

// Boxes and points by shares of the picture: solid for the reference answer, dashed for answers, in their colour.
function drawnPlaces(places) {
  const svg = vector("svg", { class: "places", "aria-hidden": "true" });
  const share = (value) => `${(100 * value).toFixed(3)}%`;
  for (const { corners: [x1, y1, x2, y2], label, point, gold, colour, answer } of places) {
    const group = vector("g", { class: `place ${gold ? "gold" : `c${colour % 8}`}` });
    group.answer = answer;
    for (const layer of ["halo", "edge"]) {
      if (point) group.append(vector("svg", { x: share(x1), y: share(y1), width: 1, height: 1 },
        vector("path", { class: layer, d: gold ? "M-6 0a6 6 0 1 0 12 0a6 6 0 1 0-12 0" : "M-5-5L5 5M-5 5L5-5" })));
      else group.append(vector("rect", { class: layer, x: share(x1), y: share(y1), width: share(x2 - x1), height: share(y2 - y1) }));
    }
    if (label) for (const layer of ["halo", "name"])
      group.append(vector("text", { class: layer, x: share(x1), y: share(gold ? y1 : y2), dx: 4, dy: gold ? 13 : -5 }, plain(label, 60)));
    svg.append(group);
  }
  return svg;
}

// The places of the reference answer and of the answers in `groups`, coloured by arm, or by answer where there is one arm.
function placesOf(question, groups, several) {
  const gold = question.places.map((place) => ({ ...place, gold: true }));
  const given = groups.flatMap((group) => group.answers.flatMap((answer, i) =>
    answer.places.map((place) => ({ ...place, answer, colour: several ? group.arm : i }))));
  return [...gold, ...given];
}

function placeKey(places) {
  if (!places.length) return null;
  const key = element("p", { className: "place-key" });
  if (places.some((place) => place.gold)) key.append(element("span", { className: "gold" }, element("i"), " reference answer"));
  if (places.some((place) => !place.gold)) key.append(element("span", {}, element("i"), " answers"));
  const outside = places.filter(({ corners: [x1, y1, x2, y2] }) => x2 < 0 || y2 < 0 || x1 > 1 || y1 > 1).length;
  if (outside) key.append(element("span", {}, `${outside} of ${places.length} lie outside the picture`));
  return key;
}

// An answer --------------------------------------------------------------------------------------------------------

function scoreList(answer) {
  const list = element("dl", { className: "score" });
  const line = (name, value, why) => list.append(element("div", {}, written("dt", "", name, 60),
    written("dd", "", why ?? "", 300)));
  const lines = [...answer.parts, ["score", answer.value, answer.parts.length ? "" : answer.why]];
  if (answer.lenient) lines.push(["lenient", answer.lenient[0], answer.lenient[1] === null ? "no answer found" : `read as “${answer.lenient[1]}”`]);
  for (const [name, value, why] of lines) {
    line(name, value, why);
    list.lastChild.lastChild.prepend(element("b", {}, shownNumber(value)), " ");
  }
  return list;
}

// Its places stand out while the pointer is on it.
function answerBox(answer, passed, chip) {
  const verdict = kind(answer);
  const mark = (alone) => {
    for (const place of document.querySelectorAll(".detail .place:not(.gold)")) place.classList.toggle("other", alone && place.answer !== answer);
  };
  const box = element("section", { className: passed ? "answer" : "answer aside" },
    element("h4", {}, chip, element("span", { className: `verdict ${verdict}` }, VERDICTS[verdict])),
    answer.said === null
      ? element("p", { className: "answer-text none" }, "no readable answer")
      : written("p", "answer-text", String(answer.said), 300));
  if (answer.places.length) for (const [name, alone] of [["pointerenter", true], ["pointerleave", false]]) box.addEventListener(name, () => mark(alone));
  if (answer.fault) box.append(written("p", "fault", answer.fault, 300));
  if (answer.thought) box.append(written("p", "thought", answer.thought, 280));
  else box.append(element("p", { className: "thought none" }, "no reasoning"));
  const facts = [
    answer.n_tokens === null ? "" : `${answer.n_tokens} tokens`,
    answer.by_steps === null ? "" : answer.by_steps ? "step by step" : "direct",
    answer.stop === "length" ? "truncated at the length limit" : "",
  ];
  box.append(element("p", { className: "facts-line" }, ...facts.filter(Boolean).map((fact) => element("span", {}, fact))));
  box.append(later("full text", () => written("pre", "", answer.text, MORE)));
  if (answer.tokens) box.append(later("tokens", () => tokenView(answer.tokens)));
  box.append(scoreList(answer));
  return box;
}

// A part that is made when it is opened.
function later(title, make) {
  const details = element("details", {}, element("summary", {}, title));
  details.addEventListener("toggle", () => { if (details.open && details.childElementCount === 1) details.append(make()); });
  return details;
}

// Tokens with a shade for what was recorded of them: {text: [...], name of a quantity: [number or null, ...]}.
function tokenView(tokens) {
  const names = Object.keys(tokens).filter((name) => name !== "text");
  const choice = element("select", {}, ...names.map((name) => element("option", {}, name)));
  const box = element("pre", { className: "tokens" });
  const draw = () => {
    const values = tokens[choice.value] ?? [];
    box.replaceChildren(...tokens.text.map((text, i) => {
      const value = values[i] ?? null;
      const token = write(element("span", { title: value === null ? "not recorded" : `${choice.value} ${shownNumber(value)}` }), text);
      if (value !== null) token.style.background = `color-mix(in srgb, var(${value < 0 ? "--wrong" : "--link"}) ${Math.round(Math.min(1, Math.abs(value) / DARKEST) * 60)}%, transparent)`;
      return token;
    }));
  };
  choice.addEventListener("change", draw);
  draw();
  return element("div", {}, element("label", {}, "shade by ", choice), box);
}

// The answers of one arm at one step, side by side. `several`: whether the page has more than one arm.
function groupBox(group, passing, arms) {
  const several = arms.length > 1, values = scores(group.answers), head = element("p", { className: "asked" });
  if (several) head.append(element("span", { className: `arm c${group.arm % 8}` }, plain(arms[group.arm], 200)));
  if (group.step !== null) head.append(element("b", {}, `step ${group.step}`));
  if (group.answers.length > 1) head.append(element("span", {},
    `${group.answers.length} answers, mean score ${shownNumber(mean(values))}` + (values.length > 1 ? `, spread ${shownNumber(spread(values))}` : "")));
  const box = element("div", { className: group.answers.length > 1 ? "group-of-answers" : "group-of-answers single" }, head);
  group.answers.forEach((answer, i) => box.append(answerBox(answer, passing.has(answer),
    group.answers.length > 1 ? element("span", { className: `number-of-answer c${several ? group.arm % 8 : i % 8}` }, `${i + 1}`) : null)));
  return box;
}
