// The question: short links, and no button where a choice says enough.

/** Return the parameters of the form as a short link has them: nothing empty, no default. */
export function asked(form) {
  const values = new URLSearchParams();
  for (const [name, value] of new FormData(form)) {
    if (typeof value === "string" && value.trim() && !(name === "engine" && value === "fused")) values.append(name, value.trim());
  }
  return values;
}

export function helpForm() {
  const form = document.querySelector("[data-ask]");
  if (!form) return;
  const go = () => {
    form.setAttribute("aria-busy", "true");
    const url = new URL(form.action);
    url.search = asked(form).toString();
    location.assign(url);
  };
  form.addEventListener("submit", (event) => {
    // A picture goes the way of its button; an empty question gets the server's answer.
    if (event.submitter?.formMethod === "post" || ![...asked(form)].length) return;
    event.preventDefault();
    go();
  });
  form.addEventListener("change", (event) => {
    // Only where there are results that it changes.
    if (document.getElementById("found") && event.target.matches("select, .weight")) form.requestSubmit();
  });
  // Someone who comes back finds the page as it was left, and it is not busy.
  addEventListener("pageshow", () => form.removeAttribute("aria-busy"));
  for (const panel of form.querySelectorAll("[data-panel]")) {
    panel.addEventListener("toggle", () => {
      if (panel.open) panel.querySelector("input, textarea")?.focus({ preventScroll: true });
    });
  }
}
