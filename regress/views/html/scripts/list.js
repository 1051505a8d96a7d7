// A list of any length: only the rows that can be seen are in the page.

/** Height of a row in pixels; style.css says the same. */
const ROW = 58;

/** Rows that are made above and below those that can be seen. */
const SPARE = 8;

class VirtualList {
  /**
   * @param {HTMLElement} element  The listbox.
   * @param {(item: number) => Node[]} draw  What stands in the row of an item.
   * @param {(position: number) => void} choose  Called when a row is clicked.
   */
  constructor(element, draw, choose) {
    this.element = element;
    this.draw = draw;
    this.items = [];
    this.chosen = -1;
    this.rows = new Map();
    this.sheet = make("div", { class: "sheet", role: "presentation" });
    element.append(this.sheet);
    element.addEventListener("scroll", () => this.scheduled(), { passive: true });
    element.addEventListener("click", (event) => {
      const row = event.target.closest("[role=option]");
      if (row) choose(Number(row.dataset.position));
    });
    new ResizeObserver(() => this.scheduled()).observe(element);
  }

  /** Show other items. */
  show(items) {
    this.items = items;
    this.chosen = -1;
    this.rows.clear();
    this.sheet.replaceChildren();
    this.sheet.style.height = `${items.length * ROW}px`;
    this.element.scrollTop = 0;
    this.element.removeAttribute("aria-activedescendant");
    this.update();
  }

  /** Choose the item at a position and bring it into sight. */
  choose(position) {
    this.mark(this.chosen, false);
    this.chosen = position;
    const top = position * ROW, { scrollTop, clientHeight } = this.element;
    if (top < scrollTop) this.element.scrollTop = top;
    else if (top + ROW > scrollTop + clientHeight) this.element.scrollTop = top + ROW - clientHeight;
    this.update();
    this.mark(position, true);
    this.element.setAttribute("aria-activedescendant", `option-${position}`);
  }

  /** How many rows fit into sight. */
  get page() {
    return Math.max(1, Math.floor(this.element.clientHeight / ROW) - 1);
  }

  mark(position, chosen) {
    this.rows.get(position)?.setAttribute("aria-selected", String(chosen));
  }

  scheduled() {
    this.frame ??= requestAnimationFrame(() => {
      this.frame = undefined;
      this.update();
    });
  }

  update() {
    const { scrollTop, clientHeight } = this.element;
    const first = Math.max(0, Math.floor(scrollTop / ROW) - SPARE);
    const last = Math.min(this.items.length, Math.ceil((scrollTop + clientHeight) / ROW) + SPARE);
    for (const [position, row] of this.rows) {
      // the row chosen stays, or a screen reader would lose what it is at
      if ((position < first || position >= last) && position !== this.chosen) {
        row.remove();
        this.rows.delete(position);
      }
    }
    for (let position = first; position < last; position += 1) {
      if (!this.rows.has(position)) this.add(position);
    }
    if (this.chosen >= 0 && !this.rows.has(this.chosen)) this.add(this.chosen);
  }

  add(position) {
    const row = make("div", {
      role: "option",
      id: `option-${position}`,
      "aria-posinset": position + 1,
      "aria-setsize": this.items.length,
      "aria-selected": position === this.chosen,
      "data-position": position,
    }, this.draw(this.items[position]));
    row.style.top = `${position * ROW}px`;
    this.rows.set(position, row);
    // in the order of the list, for readers that walk through the page
    const after = [...this.rows.keys()].filter((other) => other > position);
    const next = after.length ? this.rows.get(Math.min(...after)) : null;
    this.sheet.insertBefore(row, next);
  }
}
