"use strict";

const SVG = document.querySelector("svg").namespaceURI;

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

// Figures as SVG files -------------------------------------------------------------------------------------------

const SHAPES = {
  line: ["x1", "y1", "x2", "y2"], rect: ["x", "y", "width", "height"], circle: ["cx", "cy", "r"], polyline: [], text: ["x", "y"],
};
const PAINT = ["fill", "stroke", "stroke-width", "stroke-dasharray", "stroke-linejoin", "stroke-linecap", "opacity", "rx"];
const FONT = ["font-size", "font-weight", "font-style"];

// A figure of the page as a file of its own: flat shapes and texts at their places, in the light colours, without styles
// or scripts, so that it is the same in a browser, an editor and a paper.
function figureSvg(figure) {
  document.documentElement.classList.add("for-print");
  try {
    const frame = figure.getBoundingClientRect(), drawn = [];
    const at = (x, y) => [x - frame.left, y - frame.top].map((value) => Number(value.toFixed(2)));
    const hatch = figure.ownerDocument.getElementById("hatch");
    const walk = document.createTreeWalker(figure, NodeFilter.SHOW_ELEMENT | NodeFilter.SHOW_TEXT, (node) =>
      node.nodeType === Node.ELEMENT_NODE && (node.matches(".download") || getComputedStyle(node).display === "none") ? NodeFilter.FILTER_REJECT : NodeFilter.FILTER_ACCEPT);
    for (let node = walk.nextNode(); node; node = walk.nextNode()) {
      if (node.nodeType === Node.TEXT_NODE) { if (!node.parentElement.closest("svg")) drawn.push(...textLines(node, at)); }
      else if (node.localName in SHAPES && node.closest("svg")) drawn.push(flatShape(node, at));
      else if (node.matches(".arm, .key")) drawn.push(marker(node, at));
    }
    const size = [frame.width, frame.height].map((value) => Math.ceil(value));
    const defs = hatch && drawn.some((shape) => shape.getAttribute("fill")?.includes("#hatch")) ? [made("defs", {}, painted(hatch))] : [];
    const svg = made("svg", { viewBox: `-8 -8 ${size[0] + 16} ${size[1] + 16}`, width: size[0] + 16, height: size[1] + 16, "font-family": "Helvetica, Arial, sans-serif" },
      made("title", {}, figure.dataset.figure), ...defs, made("rect", { x: -8, y: -8, width: "100%", height: "100%", fill: "#fff" }), ...drawn);
    return `<?xml version="1.0" encoding="UTF-8"?>\n${new XMLSerializer().serializeToString(svg)}\n`;
  } finally {
    document.documentElement.classList.remove("for-print");
  }
}

function made(name, attributes, ...children) {
  const element = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  element.append(...children);
  return element;
}

function paintOf(node, names) {
  const style = getComputedStyle(node);
  return Object.fromEntries(names.map((name) => [name, style.getPropertyValue(name)]).filter(([name, value]) =>
    value && !["auto", "normal", "0px"].includes(value) && !(name === "opacity" && value === "1") && !(value === "none" && !["fill", "stroke"].includes(name))));
}

// A copy with the colours of the style sheet as attributes.
function painted(node) {
  const copy = node.cloneNode(true);
  [...node.querySelectorAll("*")].forEach((child, i) => {
    const inner = copy.querySelectorAll("*")[i];
    inner.removeAttribute("class");
    for (const [name, value] of Object.entries(paintOf(child, ["fill"]))) inner.setAttribute(name, value);
  });
  return copy;
}

// A shape with its place on the page in numbers: percentages and the stretching of its drawing are carried out.
function flatShape(node, at) {
  const matrix = node.getScreenCTM();
  const moved = (x, y) => { const p = new DOMPoint(x, y).matrixTransform(matrix); return at(p.x, p.y); };
  const number = (name) => node[name].baseVal.value ?? node[name].baseVal.getItem(0).value;
  const attributes = paintOf(node, PAINT);
  delete attributes.rx;
  if (node.localName === "polyline") {
    attributes.points = [...node.points].map((point) => moved(point.x, point.y).join(",")).join(" ");
  } else if (node.localName === "line") {
    [attributes.x1, attributes.y1] = moved(number("x1"), number("y1"));
    [attributes.x2, attributes.y2] = moved(number("x2"), number("y2"));
  } else if (node.localName === "rect") {
    const [x, y] = moved(number("x"), number("y")), [right, bottom] = moved(number("x") + number("width"), number("y") + number("height"));
    Object.assign(attributes, { x, y, width: (right - x).toFixed(2), height: (bottom - y).toFixed(2) });
    if (node.rx.baseVal.value) attributes.rx = node.rx.baseVal.value;
  } else if (node.localName === "circle") {
    [attributes.cx, attributes.cy] = moved(number("cx"), number("cy"));
    attributes.r = number("r");
  } else {
    const box = node.getBoundingClientRect(), baseline = moved(0, node.y.baseVal.length ? node.y.baseVal.getItem(0).value : 0)[1];
    return made("text", { ...attributes, ...paintOf(node, FONT), x: at(box.left, 0)[0], y: baseline, textLength: box.width.toFixed(2), lengthAdjust: "spacingAndGlyphs" }, node.textContent.trim());
  }
  return made(node.localName, attributes);
}

// The lines of a text of the page, each as wide as it is there.
function textLines(node, at) {
  const lines = new Map(), range = document.createRange();
  for (const word of node.data.matchAll(/\S+/g)) {
    range.setStart(node, word.index);
    range.setEnd(node, word.index + word[0].length);
    const box = range.getClientRects()[0];
    if (!box || !box.width) continue;
    const line = lines.get(box.top) ?? { words: [], left: box.left, right: box.right, bottom: box.bottom, height: box.height };
    line.words.push(word[0]);
    line.right = Math.max(line.right, box.right);
    lines.set(box.top, line);
  }
  const style = paintOf(node.parentElement, [...FONT, "color"]), { color, ...font } = style;
  return [...lines.entries()].map(([top, line]) => {
    const [x, y] = at(line.left, top + 0.79 * line.height);
    return made("text", { x, y, fill: color ?? "#000", ...font, textLength: (line.right - line.left).toFixed(2), lengthAdjust: "spacingAndGlyphs" }, line.words.join(" "));
  });
}

// The dot before the name of an arm, or the sample of a colour in a legend.
function marker(node, at) {
  const box = node.getBoundingClientRect(), style = getComputedStyle(node);
  if (node.matches(".key")) {
    const [x, y] = at(box.left, box.top);
    const hatched = node.matches(".hatch");
    return made("rect", { x, y, width: box.width.toFixed(2), height: box.height.toFixed(2), fill: hatched ? "url(#hatch)" : style.backgroundColor, opacity: style.opacity });
  }
  const em = parseFloat(style.fontSize), [cx, cy] = at(box.left + 0.31 * em, box.top + box.height / 2);
  return made("circle", { cx, cy, r: (0.31 * em).toFixed(2), fill: style.getPropertyValue("--hue").trim() || "#777" });
}

// A link at every figure that saves it; below a curve it stands left of the steps.
function offerFigures(root) {
  for (const figure of root.querySelectorAll("[data-figure]")) {
    const link = document.createElement("a");
    const name = figure.dataset.figure.toLowerCase().replace(/[^\p{L}\p{N}]+/gu, "-").replace(/^-+|-+$/g, "").slice(0, 60) || "figure";
    Object.assign(link, { className: "download", href: "#", textContent: "SVG", title: `save this figure as ${name}.svg`, download: `${name}.svg` });
    link.addEventListener("click", () => {
      if (link.href.startsWith("blob:")) URL.revokeObjectURL(link.href);
      link.href = URL.createObjectURL(new Blob([figureSvg(figure)], { type: "image/svg+xml" }));
    });
    (figure.querySelector(":scope > .across") ?? figure).append(link);
  }
}

offerFigures(document);
document.querySelectorAll(".plot").forEach(showValues);
