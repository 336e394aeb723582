// What has the focus, and whether that is seen.
(() => {
  const at = document.activeElement;
  const shown = at.closest(".chip") ?? at;
  const what = at.value && at.type === "checkbox" ? at.value
    : at.closest("th")?.dataset.sort ?? (at.id || at.getAttribute("role") || "");
  return [`${at.tagName} ${what}`.trim(), getComputedStyle(shown).outlineStyle !== "none"];
})()
