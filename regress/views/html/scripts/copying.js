// Ids as the lines of a policy that says which instances must not flip.

/** A TOML string; JSON's escapes are TOML's, but for DEL. */
function quotedToml(text) {
  return JSON.stringify(text.toWellFormed?.() ?? text).replace(/\x7f/g, "\\u007f");
}

/** The must-not-flip lists of some instances, as tables of a policy. */
function mustNotFlip(instances, numbers) {
  const ids = new Map();
  for (const number of numbers) {
    const { task, row } = instances.at(number);
    if (!ids.has(task.name)) ids.set(task.name, new Set());
    ids.get(task.name).add(task.id[row]);
  }
  return [...ids].map(([name, of]) => {
    const lines = [...of].map((id) => `  ${quotedToml(id)},\n`).join("");
    return `[tasks.${quotedToml(name)}]\nmust_not_flip = [\n${lines}]\n`;
  }).join("\n");
}

/** Put text into the clipboard; where the browser does not let a page do so, show it, selected. */
async function copyOrShow(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    const lines = document.getElementById("lines");
    lines.value = text;
    const dialog = document.getElementById("copying");
    document.getElementById("close").onclick = () => dialog.close();
    dialog.showModal();
    lines.select();
    return false;
  }
}
