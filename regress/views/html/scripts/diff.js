// Which words of two texts differ.

/** Words of either text, in the part where they differ, times those of the other: more are not aligned. */
const MOST_CELLS = 4_000_000;

/** The words of a text, each with the white space after it; what stands before the first is one more. */
function wordsOf(text) {
  return text.match(/\S+\s*|^\s+/g) ?? [];
}

/**
 * Two texts as runs of words that both have, and of words that only one has.
 *
 * White space says nothing. Where the texts differ over too many words to be aligned, all of that stretch
 * counts as different, and `aligned` is false.
 */
function wordDiff(oldText, newText) {
  const before = wordsOf(oldText), after = wordsOf(newText);
  const oldKeys = before.map((word) => word.trim()), newKeys = after.map((word) => word.trim());
  let head = 0;
  while (head < before.length && head < after.length && oldKeys[head] === newKeys[head]) head += 1;
  let oldEnd = before.length, newEnd = after.length;
  while (oldEnd > head && newEnd > head && oldKeys[oldEnd - 1] === newKeys[newEnd - 1]) {
    oldEnd -= 1;
    newEnd -= 1;
  }
  const aligned = (oldEnd - head) * (newEnd - head) <= MOST_CELLS;
  const [oldSame, newSame] = aligned
    ? commonWords(oldKeys.slice(head, oldEnd), newKeys.slice(head, newEnd))
    : [new Set(), new Set()];
  const same = (shared, from, to) => (place) => place < from || place >= to || shared.has(place - from);
  return {
    aligned,
    old: runs(before, same(oldSame, head, oldEnd)),
    new: runs(after, same(newSame, head, newEnd)),
  };
}

/** The positions of a longest common subsequence in either list of words. */
function commonWords(before, after) {
  const width = after.length + 1;
  const length = new Uint32Array((before.length + 1) * width);
  for (let i = before.length - 1; i >= 0; i -= 1) {
    for (let j = after.length - 1; j >= 0; j -= 1) {
      length[i * width + j] = before[i] === after[j]
        ? length[(i + 1) * width + j + 1] + 1
        : Math.max(length[(i + 1) * width + j], length[i * width + j + 1]);
    }
  }
  const oldSame = new Set(), newSame = new Set();
  for (let i = 0, j = 0; i < before.length && j < after.length;) {
    if (before[i] === after[j]) {
      oldSame.add(i++);
      newSame.add(j++);
    } else if (length[(i + 1) * width + j] >= length[i * width + j + 1]) {
      i += 1;
    } else {
      j += 1;
    }
  }
  return [oldSame, newSame];
}

/** Words put together to runs that are the same on both sides, or not. */
function runs(words, isSame) {
  const found = [];
  words.forEach((word, place) => {
    const same = isSame(place);
    if (found.length && found.at(-1).same === same) found.at(-1).text += word;
    else found.push({ same, text: word });
  });
  return found;
}
