"""A script for a page: what is broken in the middle."""

# The words of explanations that are not on one line. Long ids may break.
BROKEN_WORDS = r"""
const explained = document.getElementById("explained"), broken = [];
const range = document.createRange(), walker = document.createTreeWalker(explained, NodeFilter.SHOW_TEXT);
for (let node = walker.nextNode(); node !== null; node = walker.nextNode())
  for (const word of node.data.matchAll(/[^\s,]+/g)) {
    range.setStart(node, word.index);
    range.setEnd(node, word.index + word[0].length);
    const lines = new Set([...range.getClientRects()].map((each) => Math.round(each.top)));
    if (word[0].length < 28 && lines.size > 1) broken.push(word[0]);
  }
return broken;
"""
