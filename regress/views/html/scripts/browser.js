// The flip browser: puts the parts together, and keeps filter, list, detail and address in step.

const byId = (id) => document.getElementById(id);

/** Milliseconds without another letter after which a search begins. */
const PAUSE = 120;

/** Values of one tag that are offered; rarer ones are found by searching. */
const MOST_VALUES = 300;

class Browser {
  constructor(instances) {
    this.instances = instances;
    this.found = [];
    this.chosen = -1; // a position in `found`
    this.list = new VirtualList(byId("list"), (number) => drawRow(instances, number), (position) => {
      this.choose(position, "push");
    });
    this.offer();
    this.listen();
    this.reset();
  }

  // ── the filter ─────────────────────────────────────────────────────────────────────────────────

  /** What can be chosen to filter by. */
  offer() {
    const { tasks, kinds } = this.instances;
    const option = (value, text) => make("option", { value }, visibleLine(text));
    byId("task").append(...tasks.map((task, i) => option(i, `${task.name} (${counted(task.id.length)})`)));
    byId("task").parentElement.hidden = tasks.length < 2;
    kinds.forEach((kind, code) => {
      const flipped = tasks.reduce((sum, task) => sum + task.flip_kind.filter((one) => one === code).length, 0);
      if (flipped) byId("kind").append(option(code, `${kind} (${counted(flipped)})`));
    });
    this.offerSlices(option);
    for (const chip of this.chips()) {
      const code = Number(chip.dataset.quadrant);
      chip.hidden = !tasks.some((task) => task.quadrant.includes(code));
    }
  }

  offerSlices(option) {
    this.slices = [];
    const slices = this.instances.slices();
    byId("slice").parentElement.hidden = slices.length === 0;
    for (const { tag, values } of slices) {
      const group = make("optgroup", { label: visibleLine(tag) });
      for (const [value, count] of values.slice(0, MOST_VALUES)) {
        group.append(option(this.slices.length, `${value} (${counted(count)})`));
        this.slices.push({ tag, value });
      }
      const rest = values.length - MOST_VALUES;
      if (rest > 0) group.append(make("option", { disabled: "" }, `… ${counted(rest)} rarer ones: search for them`));
      byId("slice").append(group);
    }
  }

  chips() {
    return document.querySelectorAll("[data-quadrant]");
  }

  /** Negative flips of everything; all there is where there are none. */
  reset() {
    for (const id of ["search", "task", "kind", "slice"]) byId(id).value = "";
    byId("order").value = "rank";
    const lost = this.instances.quadrants.indexOf("negative flip");
    this.press((code) => code === lost);
    this.filter();
    if (this.found.length === 0) {
      this.press(() => true);
      this.filter();
    }
  }

  press(wanted) {
    for (const chip of this.chips()) chip.setAttribute("aria-pressed", String(wanted(Number(chip.dataset.quadrant))));
  }

  wanted() {
    const pressed = [...this.chips()].filter((chip) => chip.getAttribute("aria-pressed") === "true");
    return {
      quadrants: new Set(pressed.map((chip) => Number(chip.dataset.quadrant))),
      search: byId("search").value.trim().toLowerCase(),
      task: byId("task").value,
      kind: byId("kind").value,
      slice: byId("slice").value === "" ? null : this.slices[Number(byId("slice").value)],
      order: byId("order").value,
    };
  }

  /** Show what the filter lets through; what was chosen stays so if it is among it. */
  filter() {
    const kept = this.found[this.chosen];
    const { found, counts } = this.instances.matching(this.wanted());
    this.found = found;
    this.list.show(found);
    for (const chip of this.chips()) chip.querySelector(".n").textContent = counted(counts.get(Number(chip.dataset.quadrant)) ?? 0);
    byId("count").textContent = `${counted(found.length)} of ${counted(this.instances.size)} instances`;
    byId("copy").disabled = found.length === 0;
    this.chosen = -1;
    const position = kept === undefined ? -1 : found.indexOf(kept);
    if (found.length) this.choose(Math.max(0, position), position < 0 ? "stay" : "replace");
    else this.nothing();
  }

  nothing() {
    byId("detail").replaceChildren(make("p", { class: "remark" }, "No instance passes this filter."));
  }

  // ── the instance chosen ────────────────────────────────────────────────────────────────────────

  /**
   * Choose the instance at a position of the list.
   *
   * @param {"push" | "replace" | "stay"} address  Whether its address becomes a new entry of the history,
   *   takes the place of the present one, or is left alone.
   */
  choose(position, address) {
    if (position < 0 || position >= this.found.length) return;
    this.chosen = position;
    const number = this.found[position];
    this.list.choose(position);
    byId("detail").replaceChildren(...drawDetail(this.instances, number, `${counted(position + 1)} of ${counted(this.found.length)}`));
    byId("detail").scrollTop = 0;
    const link = this.instances.link(number);
    if (address === "push" && link !== location.hash) history.pushState(null, "", link);
    if (address === "replace" && this.instances.find(location.hash) !== null) history.replaceState(null, "", link);
  }

  /** Show the instance that the address names, whatever the filter was; true if it names one. */
  followAddress() {
    const number = this.instances.find(location.hash);
    if (number === null) return false;
    if (!this.found.includes(number)) this.widen(number);
    this.choose(this.found.indexOf(number), "stay");
    byId("list").focus({ preventScroll: true });
    byId("panes").scrollIntoView();
    return true;
  }

  /** Filter by the task and quadrant of an instance, so that it is in the list. */
  widen(number) {
    const { task, row } = this.instances.at(number);
    for (const id of ["search", "kind", "slice"]) byId(id).value = "";
    byId("task").value = String(this.instances.tasks.indexOf(task));
    this.press((code) => code === task.quadrant[row]);
    this.filter();
  }

  /** Walk through the list; the walk is one entry of the history. */
  step(to) {
    const walked = this.instances.find(location.hash) !== null ? "replace" : "push";
    this.choose(Math.min(Math.max(to, 0), this.found.length - 1), walked);
  }

  // ── what a person does ─────────────────────────────────────────────────────────────────────────

  listen() {
    let pause;
    byId("search").addEventListener("input", () => {
      clearTimeout(pause);
      pause = setTimeout(() => this.filter(), PAUSE);
    });
    for (const id of ["task", "kind", "slice", "order"]) byId(id).addEventListener("change", () => this.filter());
    for (const chip of this.chips()) {
      chip.addEventListener("click", () => {
        chip.setAttribute("aria-pressed", String(chip.getAttribute("aria-pressed") !== "true"));
        this.filter();
      });
    }
    byId("reset").addEventListener("click", () => this.reset());
    byId("copy").addEventListener("click", () => this.copy());
    byId("list").addEventListener("keydown", (event) => this.walk(event));
    document.addEventListener("keydown", (event) => this.letter(event));
    addEventListener("hashchange", () => this.followAddress());
  }

  walk(event) {
    const moves = {
      ArrowDown: this.chosen + 1,
      ArrowUp: this.chosen - 1,
      PageDown: this.chosen + this.list.page,
      PageUp: this.chosen - this.list.page,
      Home: 0,
      End: this.found.length - 1,
    };
    if (!(event.key in moves) || event.altKey || event.ctrlKey || event.metaKey) return;
    event.preventDefault();
    this.step(moves[event.key]);
  }

  letter(event) {
    const typing = event.target.closest?.("input, select, textarea, dialog");
    if (typing || event.altKey || event.ctrlKey || event.metaKey || !byId("letters").checked) return;
    const does = {
      j: () => this.step(this.chosen + 1),
      k: () => this.step(this.chosen - 1),
      "/": () => byId("search").focus(),
      c: () => this.copy(),
    }[event.key];
    if (!does) return;
    event.preventDefault();
    does();
  }

  async copy() {
    if (this.found.length === 0) return;
    const copied = await copyOrShow(mustNotFlip(this.instances, this.found));
    if (copied) byId("count").textContent = `${counted(this.found.length)} ids copied, as tables of a policy`;
  }
}

// ── the page ─────────────────────────────────────────────────────────────────────────────────────

/** A button that turns the colours around; what was chosen is remembered where the browser allows it. */
function listenForTheme() {
  const button = byId("theme"), root = document.documentElement;
  const remembered = (write) => {
    try {
      if (write) localStorage.setItem("regress-theme", write);
      return localStorage.getItem("regress-theme");
    } catch {
      return write ?? null; // a browser that remembers nothing for files
    }
  };
  const system = matchMedia("(prefers-color-scheme: dark)");
  const isDark = () => (root.dataset.theme ?? (system.matches ? "dark" : "light")) === "dark";
  const show = () => { button.textContent = isDark() ? "Light" : "Dark"; };
  const before = remembered();
  if (before === "light" || before === "dark") root.dataset.theme = before;
  button.addEventListener("click", () => {
    root.dataset.theme = isDark() ? "light" : "dark";
    remembered(root.dataset.theme);
    show();
  });
  system.addEventListener("change", show);
  button.hidden = false;
  show();
}

async function start() {
  const loading = byId("loading");
  loading.hidden = false;
  try {
    const instances = new Instances(await unpacked(byId("data")));
    for (const id of ["filters", "panes", "keys"]) byId(id).hidden = false;
    const browser = new Browser(instances);
    loading.hidden = true;
    browser.followAddress();
    document.documentElement.dataset.ready = "true";
  } catch (error) {
    loading.textContent = `The instances cannot be unpacked here: ${error.message}. A current browser is needed.`;
    throw error;
  }
}

listenForTheme();
// what stands above is painted first
requestAnimationFrame(() => setTimeout(start));
