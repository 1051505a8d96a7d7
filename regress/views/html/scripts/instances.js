// All instances of the page: unpacked, looked up, filtered.

/** What `regress.views.html.data` packed into the page. */
async function unpacked(element) {
  const packed = element.textContent;
  const bytes = Uint8Array.fromBase64?.(packed)
    ?? Uint8Array.from(atob(packed), (letter) => letter.charCodeAt(0)); // browsers of before 2025
  element.textContent = ""; // megabytes that nobody reads again
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
  return new Response(stream).json();
}

/** Every pair of every task, by one number each: task by task, in the order of the data set. */
class Instances {
  constructor(data) {
    this.tasks = data.tasks;
    this.quadrants = data.quadrants;
    this.marks = data.marks;
    this.kinds = data.kinds;
    this.texts = data.texts;
    this.starts = [];
    this.size = 0;
    for (const task of this.tasks) {
      this.starts.push(this.size);
      this.size += task.id.length;
      task.order = new Int32Array(task.id.length); // rows, the largest change first
      task.rank.forEach((rank, row) => { task.order[rank] = row; });
    }
    this.lower = null;
  }

  /** The task and row of an instance. */
  at(number) {
    let place = this.starts.length - 1;
    while (this.starts[place] > number) place -= 1;
    return { task: this.tasks[place], row: number - this.starts[place] };
  }

  /** A text by its number, whole or with what was left out of it; null if there is none. */
  text(number) {
    if (number === null || number === undefined) return null;
    const kept = this.texts[number];
    return typeof kept === "string" ? kept : `${kept[0]}\n[… ${counted(kept[1])} characters left out …]\n${kept[2]}`;
  }

  /** The fragment that leads to an instance. */
  link(number) {
    const { task, row } = this.at(number);
    const parts = [task.name, task.id[row]];
    if (task.repeat && task.repeat[row]) parts.push(String(task.repeat[row]));
    return `#${parts.map((part) => encodeURIComponent(part.toWellFormed?.() ?? part)).join("/")}`;
  }

  /** The instance that a fragment leads to; null if it leads to none. */
  find(fragment) {
    const parts = fragment.replace(/^#/, "").split("/");
    if (parts.length < 2) return null;
    try {
      const [name, id, repeat] = parts.map(decodeURIComponent);
      const place = this.tasks.findIndex((task) => task.name === name);
      if (place < 0) return null;
      const task = this.tasks[place];
      const row = task.id.findIndex((one, i) => one === id && (!task.repeat || task.repeat[i] === Number(repeat ?? 0)));
      return row < 0 ? null : this.starts[place] + row;
    } catch {
      return null; // what is no encoding of anything
    }
  }

  /**
   * The instances that a filter lets through, in its order, and how many there are in each quadrant
   * whatever quadrants it wants.
   */
  matching(filter) {
    const hits = this.hits(filter.search);
    const counts = new Map();
    const found = [];
    this.tasks.forEach((task, place) => {
      if (filter.task !== "" && Number(filter.task) !== place) return;
      for (let turn = 0; turn < task.order.length; turn += 1) {
        const row = filter.order === "rank" ? task.order[turn] : turn;
        if (!this.passes(task, row, filter, hits)) continue;
        const quadrant = task.quadrant[row];
        counts.set(quadrant, (counts.get(quadrant) ?? 0) + 1);
        if (filter.quadrants.has(quadrant)) found.push(this.starts[place] + row);
      }
    });
    return { found, counts };
  }

  passes(task, row, filter, hits) {
    if (filter.kind !== "" && task.flip_kind[row] !== Number(filter.kind)) return false;
    if (filter.slice) {
      const tag = task.tags[filter.slice.tag];
      if (!tag || tag.values[tag.codes[row]] !== filter.slice.value) return false;
    }
    return hits === null || this.mentions(task, row, filter.search, hits);
  }

  /** Which texts hold the words searched for; null where nothing is searched for. Each text is read once. */
  hits(search) {
    if (search === "") return null;
    this.lower ??= this.texts.map((kept) => (typeof kept === "string" ? kept : kept[0] + kept[2]).toLowerCase());
    return this.lower.map((text) => text.includes(search));
  }

  mentions(task, row, search, hits) {
    const { old: before, new: after } = task;
    if ([task.prompt, task.target, before.output, after.output].some((column) => hits[column[row]])) return true;
    if (task.choices[row]?.some((choice) => hits[choice])) return true;
    if (task.kind !== "choice" && (hits[before.answer[row]] || hits[after.answer[row]])) return true;
    if (task.id[row].toLowerCase().includes(search)) return true;
    return Object.values(task.tags).some((tag) => tag.values[tag.codes[row]]?.toLowerCase().includes(search));
  }

  /** Every value of every tag, the commonest first, with how many instances bear it. */
  slices() {
    const tags = new Map();
    for (const task of this.tasks) {
      for (const [name, { values, codes }] of Object.entries(task.tags)) {
        const counts = tags.get(name) ?? new Map();
        for (const code of codes) if (code >= 0) counts.set(values[code], (counts.get(values[code]) ?? 0) + 1);
        tags.set(name, counts);
      }
    }
    return [...tags].map(([tag, counts]) => ({ tag, values: [...counts].sort((one, other) => other[1] - one[1]) }));
  }
}

/** A number of things. Numbers that were measured are words in the data already. */
function counted(number) {
  return number.toLocaleString("en-US");
}
