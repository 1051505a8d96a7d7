// Text that others wrote, models above all: it reaches the page as text, never as markup, and what would
// act on a reader or hide from one is shown as a mark.

/** Controls but line feed and tab, format marks, surrogates, private and unassigned; letters that nobody
 * sees; and marks beyond the third on one letter. */
const HIDDEN =
  /(?![\n\t])[\p{C}\p{Zl}\p{Zp}\u034f\u115f\u1160\u17b4\u17b5\u3164\uffa0\u2800]|(?<=\p{M}{3})\p{M}+/gu;

/** What a hidden character is called: ␛ for escape, U+202E for most others. */
function nameOf(hidden) {
  const code = hidden.codePointAt(0);
  if (code < 0x20) return String.fromCodePoint(0x2400 + code);
  if (code === 0x7f) return "␡";
  return `U+${code.toString(16).toUpperCase().padStart(4, "0")}`;
}

/** `text` as nodes, each hidden character a mark. */
function visibleNodes(text) {
  const nodes = [];
  let from = 0;
  for (const found of text.matchAll(HIDDEN)) {
    if (found.index > from) nodes.push(document.createTextNode(text.slice(from, found.index)));
    const mark = document.createElement("span");
    mark.className = "hidden-character";
    mark.textContent = nameOf(found[0]);
    nodes.push(mark);
    from = found.index + found[0].length;
  }
  if (from < text.length) nodes.push(document.createTextNode(text.slice(from)));
  return nodes;
}

/** `text` on one line, each hidden character named; for places that hold no nodes, such as options. */
function visibleLine(text) {
  return text.replace(HIDDEN, nameOf).replace(/\s+/g, " ").trim();
}

/** An element with attributes and children; strings among the children are made visible. */
function make(tag, attributes, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  for (const child of children.flat(2)) {
    if (child === null) continue;
    element.append(...(typeof child === "string" ? visibleNodes(child) : [child]));
  }
  return element;
}
