// Every text of its own: where it is, and how it stands out against what is behind it. The faults.
(async () => {
  await new Promise((drawn) => requestAnimationFrame(() => requestAnimationFrame(drawn)));
  const faults = [];
  const wide = document.documentElement;
  if (wide.scrollWidth > WIDTH) faults.push(`scrolls: ${wide.scrollWidth} > ${WIDTH}`);
  const says = (node) => [...node.childNodes].some((it) => it.nodeType === 3 && it.data.trim());
  const texts = [...document.querySelectorAll("body *")].filter((node) => {
    if (!(says(node) || node.matches("input[type=search]"))) return false;
    if (node.closest("svg, .hidden, .skip, option, title")) return false;
    return node.checkVisibility() && node.getClientRects().length > 0;
  });
  const name = (node) => `${node.tagName}.${node.className} ${node.textContent.slice(0, 30)}`;
  const range = document.createRange();
  const boxes = texts.map((node) => {
    range.selectNodeContents(node);
    const clip = node.closest("#events")?.getBoundingClientRect();
    const rects = node.matches("input") ? [node.getBoundingClientRect()] : [...range.getClientRects()];
    return rects.filter((it) => it.width > 0 && (!clip || it.bottom <= clip.bottom));
  });
  texts.forEach((node, index) => {
    for (const box of boxes[index]) {
      if (box.left < 0 || box.right > WIDTH + 0.5) faults.push(`sticks out: ${name(node)}`);
    }
  });
  // What is written is a little lower than its line: that much may meet.
  const slack = 3;
  const meet = (a, b) =>
    a.left + 1 < b.right && b.left + 1 < a.right && a.top + slack < b.bottom && b.top + slack < a.bottom;
  for (let i = 0; i < texts.length; i += 1) {
    for (let j = i + 1; j < texts.length; j += 1) {
      if (texts[i].contains(texts[j]) || texts[j].contains(texts[i])) continue;
      if (boxes[i].some((a) => boxes[j].some((b) => meet(a, b)))) {
        faults.push(`overlap: ${name(texts[i])} and ${name(texts[j])}`);
      }
    }
  }
  const parse = (color) => color.match(/[\d.]+/g).map(Number);
  const behind = (node) => {
    for (let at = node; at; at = at.parentElement) {
      const color = parse(getComputedStyle(at).backgroundColor);
      if (color.length === 3 || color[3] > 0) return color;
    }
    return [255, 255, 255];
  };
  const light = (color) => {
    const [r, g, b] = color.map((part) => {
      const share = part / 255;
      return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
    });
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  for (const node of texts) {
    const [a, b] = [light(parse(getComputedStyle(node).color)), light(behind(node))];
    const contrast = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    if (contrast < 4.5) faults.push(`contrast ${contrast.toFixed(2)}: ${name(node)}`);
  }
  return faults;
})()
