// Notes each state that the page shows gamma in.
(() => {
  const shown = () => [...document.querySelectorAll("#rows tr")]
    .find((row) => row.querySelector(".name b").textContent === "gamma")
    ?.querySelector(".state").textContent.trim();
  window.states = [shown()];
  new MutationObserver(() => {
    const state = shown();
    if (state && state !== window.states.at(-1)) window.states.push(state);
  }).observe(document.querySelector("#rows"), { subtree: true, childList: true, characterData: true });
})()
