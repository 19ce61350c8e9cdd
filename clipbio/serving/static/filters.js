// Long lists of values: typing shows those that fit. What the page does not hold is asked from the server, once.

function item(column, value, count) {
  const url = new URL(location.href);
  url.hash = "";
  url.pathname = new URL(document.querySelector("[data-ask]").action).pathname;
  url.searchParams.delete("page");
  url.searchParams.append(`f.${column}`, value);
  const [link, name, number] = ["a", "span", "span"].map((tag) => document.createElement(tag));
  name.textContent = value;
  number.textContent = count.toLocaleString("en");
  number.className = "soft number";
  link.href = url.href;
  link.append(name, number);
  const row = document.createElement("li");
  row.append(link);
  return row;
}

async function complete(facet) {
  const url = new URL("api/facets", document.querySelector("[data-ask]").action);
  for (const [name, value] of new URL(location.href).searchParams) if (name.startsWith("f.")) url.searchParams.append(name, value);
  const answer = await fetch(url);
  if (!answer.ok) return;
  const found = (await answer.json()).facets.find((other) => other.column === facet.dataset.facet);
  const shown = new Set([...facet.querySelectorAll("li a span:first-child")].map((name) => name.textContent.trim()));
  const rows = found.values.filter(([value]) => !shown.has(value)).map(([value, count]) => item(found.column, value, count));
  facet.querySelector(".many").append(...rows);
}

async function narrow(facet, text) {
  if (text && "cut" in facet.dataset) {
    delete facet.dataset.cut;
    await complete(facet);
  }
  const wanted = text.toLocaleLowerCase();
  for (const row of facet.querySelectorAll("li")) {
    row.hidden = !row.querySelector("span").textContent.toLocaleLowerCase().includes(wanted);
  }
  const more = facet.querySelector(".more");
  if (more) more.open = Boolean(text);
}

export function helpFilters() {
  for (const form of document.querySelectorAll("[data-narrow]")) {
    const input = form.querySelector("input[type=search]");
    input.addEventListener("input", () => narrow(form.closest("[data-facet]"), input.value.trim()));
    form.addEventListener("submit", (event) => {
      // One value is left: that is the one meant.
      const left = [...form.closest("[data-facet]").querySelectorAll("li:not([hidden]) a")];
      if (left.length !== 1) return;
      event.preventDefault();
      location.assign(left[0].href);
    });
  }
}
