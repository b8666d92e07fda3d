// What a page of rollouts knows, and what of it the filters leave. Nothing here touches the document.

// The questions and answers of all parts that were read so far; `arms`, `steps`, `tasks` and `faults` are what they have.
class Rollouts {
  constructor() {
    this.arms = [];
    this.questions = [];
    this.answers = 0;
    this.steps = [];
    this.tasks = [];
    this.faults = [];
  }

  add(part) {
    const steps = new Set(this.steps), tasks = new Set(this.tasks), faults = new Map(this.faults);
    this.arms = part.arms;
    for (const question of part.questions) {
      this.questions.push(Object.assign(question, { at: this.questions.length, answers: [], outcomes: [] }));
      tasks.add(question.task);
    }
    for (const answer of part.answers) {
      this.questions[answer.q].answers.push(answer);
      if (answer.step !== null) steps.add(answer.step);
      if (answer.fault) faults.set(answer.fault, (faults.get(answer.fault) ?? 0) + 1);
    }
    for (const [at, outcomes] of part.outcomes) this.questions[at].outcomes = outcomes;
    this.answers += part.answers.length;
    this.steps = [...steps].sort((a, b) => a - b);
    this.tasks = [...tasks];
    this.faults = [...faults].sort((a, b) => b[1] - a[1]);
  }
}

// Whether the filters `wanted` ask something of single answers.
function narrows(wanted) {
  return wanted.step !== null || wanted.low !== null || wanted.high !== null || wanted.longer !== null || wanted.fault !== "";
}

// Whether an answer passes the filters of answers. An answer without a score has none that lies in a range.
function passes(answer, wanted) {
  if (wanted.arm !== null && answer.arm !== wanted.arm) return false;
  if (wanted.step !== null && answer.step !== wanted.step) return false;
  if ((wanted.low !== null || wanted.high !== null) && answer.value === null) return false;
  if (wanted.low !== null && answer.value < wanted.low) return false;
  if (wanted.high !== null && answer.value > wanted.high) return false;
  if (wanted.longer !== null && (answer.n_tokens ?? 0) < wanted.longer) return false;
  return wanted.fault === "" || answer.fault === wanted.fault;
}

// The texts that are searched, in lower case; made once for each question and answer.
function searched(item) {
  if (item.lower === undefined) {
    const texts = item.answers
      ? [item.question, item.id, item.gold, item.caption]
      : [item.text, item.said, item.why, item.fault, ...item.parts.map((part) => part[2])];
    item.lower = texts.filter((text) => text).join("\n").toLowerCase();
  }
  return item.lower;
}

// Makes the texts that are searched while nothing else is to do, so that the first search is as fast as the others.
async function prepareSearch(questions) {
  const rest = () => new Promise((resolve) => (globalThis.requestIdleCallback ?? setTimeout)(resolve));
  for (let i = 0; i < questions.length; i++) {
    if (i % 20 === 0) await rest();
    searched(questions[i]);
    questions[i].answers.forEach(searched);
  }
  globalThis.searchIsPrepared = true;
}

// The answers of a question that pass all filters, the text to find included; null where the question does not.
function left(question, wanted) {
  if (wanted.task !== null && question.task !== wanted.task) return null;
  let found = question.answers;
  if (wanted.arm !== null || narrows(wanted)) {
    found = found.filter((answer) => passes(answer, wanted));
    if (!found.length) return null;
  }
  if (!wanted.find || searched(question).includes(wanted.find)) return found;
  found = found.filter((answer) => searched(answer).includes(wanted.find));
  return found.length ? found : null;
}

// {outcome: questions that the other filters leave} and the questions that all filters leave, as {question, answers}.
function filtered(rollouts, wanted) {
  const counts = { all: 0 }, kept = [];
  for (const question of rollouts.questions) {
    const answers = left(question, wanted);
    if (answers === null) continue;
    const outcomes = question.outcomes[wanted.arm ?? rollouts.arms.length] ?? [];
    counts.all += 1;
    for (const name of outcomes) counts[name] = (counts[name] ?? 0) + 1;
    if (wanted.outcome === "all" || outcomes.includes(wanted.outcome)) kept.push({ question, answers });
  }
  return { counts, kept: inOrder(kept, wanted.order) };
}

const mean = (numbers) => numbers.length ? numbers.reduce((sum, number) => sum + number, 0) / numbers.length : null;
const scores = (answers) => answers.map((answer) => answer.value).filter((value) => value !== null);

// Standard deviation; null with fewer than two numbers.
function spread(numbers) {
  const middle = mean(numbers);
  return numbers.length < 2 ? null : Math.sqrt(mean(numbers.map((number) => (number - middle) ** 2)));
}

// What `order` sorts by, of the answers that passed: a number, or null where there is none.
const MEASURES = {
  reward: (answers) => mean(scores(answers)),
  longest: (answers) => Math.max(...answers.map((answer) => answer.n_tokens ?? 0)),
  spread: (answers) => grouped(answers).map((group) => spread(scores(group.answers))).reduce((a, b) => b === null ? a : Math.max(a ?? b, b), null),
  step: (answers) => answers.reduce((first, { step }) => step === null ? first : Math.min(first ?? step, step), null),
  last: (answers) => answers.reduce((last, { step }) => step === null ? last : Math.max(last ?? step, step), null),
};

// Sorted by `order`, "-" first for the highest; what has no value comes last, whatever the order.
function inOrder(kept, order) {
  const measure = MEASURES[order.replace("-", "")];
  if (!measure) return kept;
  const sign = order.startsWith("-") ? -1 : 1;
  const keyed = kept.map((item) => [item.answers.length ? measure(item.answers) : null, item]);
  keyed.sort(([a], [b]) => (a === null) - (b === null) || sign * (a - b));
  return keyed.map(([, item]) => item);
}

// Answers by arm and step, in the order of both.
function grouped(answers) {
  const groups = new Map();
  for (const answer of answers) {
    const key = `${answer.arm}/${answer.step}`;
    if (!groups.has(key)) groups.set(key, { arm: answer.arm, step: answer.step, answers: [] });
    groups.get(key).answers.push(answer);
  }
  return [...groups.values()].sort((a, b) => a.arm - b.arm || (a.step ?? 0) - (b.step ?? 0));
}
