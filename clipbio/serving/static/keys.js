// Keys: / to the question, arrows or j and k through the hits, Enter opens (the link has the focus), Escape goes back.

const links = () => [...document.querySelectorAll("[data-gallery] [data-open]")];
const place = (link) => link.closest("[data-hit]").getBoundingClientRect();

/** Return the link of the nearest hit in the row above (-1) or below (1). */
function inNextRow(all, link, direction) {
  const here = place(link);
  const beyond = all.filter((other) => direction * (place(other).top - here.top) > 5);
  const tops = beyond.map((other) => direction * place(other).top);
  const row = beyond.filter((other) => direction * place(other).top - Math.min(...tops) < 5);
  return row.sort((one, two) => Math.abs(place(one).left - here.left) - Math.abs(place(two).left - here.left))[0];
}

function target(key) {
  const all = links();
  const current = document.activeElement?.closest("[data-hit]");
  const index = all.findIndex((link) => current?.contains(link));
  if (index < 0) return { ArrowRight: all[0], ArrowLeft: all[0], j: all[0], k: all[0] }[key];
  if (key === "ArrowRight" || key === "j") return all[index + 1];
  if (key === "ArrowLeft" || key === "k") return all[index - 1];
  return inNextRow(all, all[index], key === "ArrowDown" ? 1 : -1);
}

function escape(typing) {
  const panel = document.querySelector("[data-panel][open]");
  if (panel) {
    panel.open = false;
    panel.querySelector("summary").focus();
  } else if (location.hash === "#filters") location.hash = "content";
  else if (typing) document.activeElement.blur();
  else document.querySelector("[data-back]")?.click();
}

function pressed(event) {
  if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey) return;
  const typing = event.target.closest("input, textarea, select");
  if (event.key === "Escape") return escape(typing);
  if (typing) return;
  if (event.key === "/") {
    event.preventDefault();
    document.getElementById("q")?.select();
  } else if (["ArrowRight", "ArrowLeft", "ArrowUp", "ArrowDown", "j", "k"].includes(event.key)) {
    const link = target(event.key);
    if (!link) return;
    event.preventDefault();
    link.focus({ preventScroll: true });
    link.closest("[data-hit]").scrollIntoView({ block: "nearest" });
  }
}

const memory = () => `opened ${location.pathname}${location.search}`;

/** Give the focus back to the hit that was opened, for those who return by Escape or the browser's button. */
function remember() {
  document.addEventListener("click", (event) => {
    const hit = event.target.closest("[data-gallery] [data-hit] a")?.closest("[data-hit]");
    if (hit) sessionStorage.setItem(memory(), links().findIndex((link) => hit.contains(link)));
  });
  addEventListener("pageshow", () => {
    const opened = sessionStorage.getItem(memory());
    sessionStorage.removeItem(memory());
    if (opened !== null) links()[Number(opened)]?.focus({ preventScroll: performance.getEntriesByType("navigation")[0]?.type !== "navigate" });
  });
  // Back through the history where that is the way one came: it keeps the place on the page.
  document.querySelector("[data-back]")?.addEventListener("click", (event) => {
    if (event.ctrlKey || event.metaKey || event.shiftKey || history.length < 2) return;
    if (sessionStorage.getItem("came from") !== event.currentTarget.href) return;
    event.preventDefault();
    history.back();
  });
  addEventListener("pagehide", () => sessionStorage.setItem("came from", location.href.split("#")[0]));
}

export function helpKeys() {
  document.addEventListener("keydown", pressed);
  remember();
}
