// One instance: what was asked, what both models answered, and how that was judged.

/** What a choice is called: its letter, or its number where there are more than letters. */
function choiceName(position) {
  return position < 26 ? String.fromCharCode(65 + position) : String(position + 1);
}

/** The answer that was read on one side, in words; choices by their letter. */
function answerOf(instances, task, side, row) {
  const answer = side.answer[row];
  if (answer === null) return side.status[row] === "unparsable" ? "unreadable" : "not on this page";
  if (task.kind === "choice") return /^\d+$/.test(answer) ? choiceName(Number(answer)) : answer;
  return instances.text(answer) || "(empty)";
}

/** What a quadrant is called on this task, with its mark. */
function quadrantLabel(instances, task, row) {
  const code = task.quadrant[row];
  if (code < 0) return "· score unchanged";
  const words = { "positive flip": "higher score", "negative flip": "lower score" };
  const name = instances.quadrants[code];
  return `${instances.marks[code]} ${task.scale === "binary" ? name : words[name]}`;
}

/** The row of an instance in the list. */
function drawRow(instances, number) {
  const { task, row } = instances.at(number);
  const code = task.quadrant[row], kind = task.flip_kind[row];
  const short = (text) => visibleLine(text.slice(0, 400)); // more than a row can show
  const [before, after] = [task.old, task.new].map((side) => short(answerOf(instances, task, side, row)));
  const asked = (instances.text(task.prompt[row]) ?? "").trimEnd().split("\n\n").at(-1); // without examples
  const notes = [task.delta[row], kind >= 0 && instances.kinds[kind] !== "answer" ? instances.kinds[kind] : null];
  return [
    make("div", { class: "line" },
      make("span", { class: `dot q${code}`, title: quadrantLabel(instances, task, row) }, instances.marks[code] ?? "·"),
      make("span", { class: "answers" }, before === after ? before : `${before} → ${after}`),
      ...notes.filter(Boolean).map((text) => make("span", { class: "note" }, text)),
    ),
    make("div", { class: "line muted" },
      instances.tasks.length > 1 ? make("span", { class: "of" }, short(task.name)) : null,
      make("span", { class: "excerpt" }, short(asked) || short(task.id[row])),
    ),
  ];
}

/** Everything that the page knows of an instance. */
function drawDetail(instances, number, place) {
  const { task, row } = instances.at(number);
  return [
    heading(instances, number, place),
    question(instances, task, row),
    task.kind === "choice" ? choices(instances, task, row) : outputs(instances, task, row),
    judgement(instances, task, row),
  ].filter(Boolean);
}

function heading(instances, number, place) {
  const { task, row } = instances.at(number);
  const kind = task.flip_kind[row];
  const tags = Object.entries(task.tags).filter(([, tag]) => tag.codes[row] >= 0);
  return make("header", {},
    make("p", { class: "place" }, place),
    make("h3", {},
      make("a", { href: instances.link(number), class: "id", title: "A link to this instance" }, `${task.name}/${task.id[row]}`)),
    make("p", { class: "badges" },
      make("span", { class: `badge q${task.quadrant[row]}` }, quadrantLabel(instances, task, row)),
      kind >= 0 ? make("span", { class: "badge" }, `kind: ${instances.kinds[kind]}`) : null,
      make("span", { class: "badge" }, `index ${counted(task.index[row])}`),
      task.repeat ? make("span", { class: "badge" }, `repeat ${task.repeat[row]}`) : null,
      tags.map(([name, tag]) => make("span", { class: "badge" }, `${name}: ${tag.values[tag.codes[row]]}`)),
    ),
  );
}

/** A table of what was read from either answer and how it was judged. */
function judgement(instances, task, row) {
  const right = { true: "✓ right", false: "✗ wrong" };
  const rows = [
    ["answer read", (side) => answerOf(instances, task, side, row)],
    [`judged by ${task.metric}`, (side) => right[side.right[row]] ?? side.score[row]],
    ["margin of the right choice", (side) => side.margin[row]],
    ["status", (side) => side.status[row]],
    ["ended by", (side) => (task.kind === "generation" ? side.finish[row] ?? "unknown" : side.finish[row])],
    ["tokens of the answer", (side) => (side.tokens[row] === null ? null : counted(side.tokens[row]))],
    ...Object.keys({ ...task.old.scores, ...task.new.scores })
      .filter((name) => name !== task.metric)
      .map((name) => [name, (side) => side.scores[name]?.[row] ?? null]),
  ];
  const shown = rows
    .map(([name, read]) => [name, read(task.old), read(task.new)])
    .filter(([, before, after]) => before !== null || after !== null);
  return make("table", { class: "judgement" },
    make("thead", {}, make("tr", {},
      make("td", {}), make("th", { scope: "col" }, "old"), make("th", { scope: "col" }, "new"))),
    make("tbody", {}, shown.map(([name, before, after]) =>
      make("tr", { class: before === after ? "equal" : "differs" },
        make("th", { scope: "row" }, name), ...[before, after].map((text) => make("td", {}, text ?? "–"))))),
  );
}

function block(title, ...content) {
  return make("section", { class: "block" }, make("h4", {}, title), ...content);
}

function prose(text) {
  return make("div", { class: "prose", dir: "auto" }, text);
}

/** The prompt, what it shares with all others folded away, and the target. */
function question(instances, task, row) {
  const prompt = instances.text(task.prompt[row]), target = instances.text(task.target[row]);
  if (prompt === null && target === null) return null;
  const before = instances.text(task.before);
  const shared = before === null ? null : make("details", {},
    make("summary", {}, `The same ${counted(before.length)} characters stand before every question`), prose(before));
  return make("div", { class: "question" },
    prompt === null ? null : block("Prompt", ...(shared ? [shared] : []), prose(prompt)),
    target === null || task.kind === "choice" ? null : block("Target", prose(target)));
}

// ── generated texts ──────────────────────────────────────────────────────────────────────────────

/** Both outputs side by side, words that only one of them has marked. */
function outputs(instances, task, row) {
  const [before, after] = [task.old, task.new].map((side) => instances.text(side.output[row]));
  if (before === null || after === null) {
    const text = "The outputs are not on this page: they were left out, or never stored.";
    return make("p", { class: "remark" }, text);
  }
  if (before === after) return block("Output, the same from both", prose(before));
  const diff = wordDiff(before, after);
  const side = (title, tag, parts) => block(title, make("div", { class: "prose", dir: "auto" },
    parts.length ? parts.map((part) => (part.same ? part.text : changed(tag, part.text))) : make("i", {}, "empty")));
  return make("div", { class: "outputs" },
    side("Old output", "del", diff.old),
    side("New output", "ins", diff.new),
    diff.aligned ? null : make("p", { class: "remark" }, "These texts differ over too many words to be aligned."));
}

/** Words that only one side has; the white space after them is not marked. */
function changed(tag, text) {
  const words = text.trimEnd();
  return [make(tag, {}, words), text.slice(words.length)];
}

// ── choices ──────────────────────────────────────────────────────────────────────────────────────

/** A number in words as a number: the words have a true minus sign. */
function numeric(words) {
  return Number.parseFloat(words.replace("−", "-"));
}

/**
 * The choices with their log-probabilities, old over new.
 *
 * A full bar is the likeliest choice of its side; the others are shorter by how far they lie behind it, on
 * one scale for both sides.
 */
function choices(instances, task, row) {
  const listed = task.choices[row];
  const sides = [["old", task.old], ["new", task.new]].map(([name, side]) => ({
    name,
    logprobs: side.logprobs[row],
    values: side.values?.[row] ?? side.logprobs[row],
    answer: side.answer[row],
  }));
  const count = listed?.length ?? Math.max(...sides.map((side) => side.logprobs?.length ?? 0));
  if (!count) return null;
  const behind = sides.map((side) => behindBest(side.values));
  const furthest = Math.max(1e-9, ...behind.flat().filter(Number.isFinite));
  const lines = Array.from({ length: count }, (_, position) => make("li", { class: "choice" },
    make("p", { class: "choice-text", dir: "auto" },
      make("b", {}, choiceName(position)), " ",
      listed ? instances.text(listed[position]) : "",
      task.golds[row]?.includes(position) ? make("span", { class: "badge gold" }, "✓ right") : null,
      ...sides.filter((side) => side.answer === String(position))
        .map((side) => make("span", { class: `badge ${side.name}` }, `${side.name} chose it`))),
    ...sides.map((side, i) => bar(side, position, behind[i][position], furthest))));
  return make("section", { class: "block choices" },
    make("h4", {}, "Choices"),
    make("ol", {}, lines),
    make("p", { class: "legend" }, chosenBy(task, row)));
}

function chosenBy(task, row) {
  const by = task.metric === "acc" ? "the log-probability"
    : task.old.values?.[row] ? `what ${task.metric} compares (in brackets)`
      : `the log-probability, which is not all that ${task.metric} compares`;
  return `Bars show ${by}: full for the likeliest choice of its side, shorter the further a choice lies behind it, on one scale for both sides.`;
}

/** How far each value lies behind the largest; NaN where it is unknown. */
function behindBest(values) {
  const numbers = (values ?? []).map(numeric);
  const best = Math.max(...numbers.filter(Number.isFinite));
  return numbers.map((value) => best - value);
}

function bar(side, position, behind, furthest) {
  const logprob = side.logprobs?.[position] ?? "–", value = side.values?.[position] ?? logprob;
  const track = make("span", { class: "track", "aria-hidden": "true" }, make("span", { class: `fill ${side.name}` }));
  const length = Number.isFinite(behind) ? 1 - (0.92 * behind) / furthest : 0;
  track.firstChild.style.width = `${(100 * length).toFixed(1)}%`;
  return make("div", { class: "bar-row" },
    make("span", { class: "side" }, side.name), track,
    make("span", { class: "logprob" }, value === logprob ? logprob : `${logprob} (${value})`));
}
