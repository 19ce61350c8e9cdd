// Where words are in a picture: an overlay on the sheet, on demand. A phrase of a description leads to its place.

const root = () => document.querySelector("[data-ask]").action;

function told(look, text) {
  const message = look.querySelector("[data-heat-told]") ?? look.appendChild(Object.assign(document.createElement("p"), { className: "message alarm small" }));
  message.dataset.heatTold = "";
  message.setAttribute("role", "status");
  message.textContent = text;
  message.hidden = !text;
}

async function overlay(look, words) {
  const url = new URL(`pictures/${look.dataset.look}/heat`, root());
  url.searchParams.set("q", words);
  const answer = await fetch(url);
  if (!answer.ok) throw new Error((await answer.json()).error);
  return URL.createObjectURL(await answer.blob());
}

/** Lay the places of words over a picture; of requests that overtake each other the last one counts. */
async function show(look, words) {
  const mat = look.querySelector("[data-mat]");
  told(look, "");
  look.dataset.latest = words;
  mat.setAttribute("aria-busy", "true");
  try {
    const source = await overlay(look, words);
    if (look.dataset.latest !== words) return;
    const picture = mat.querySelector(".heat") ?? mat.appendChild(document.createElement("img"));
    if (picture.src.startsWith("blob:")) URL.revokeObjectURL(picture.src);
    Object.assign(picture, { className: "heat", alt: `Where the picture fits: ${words}`, src: source, hidden: false });
    await picture.decode().catch(() => {});
  } catch (error) {
    told(look, `${error.message[0].toUpperCase()}${error.message.slice(1)}.`);
  } finally {
    if (look.dataset.latest === words) mat.removeAttribute("aria-busy");
  }
}

/** Tell in the text which phrase is looked for, beside the picture what is shown, and in the address both. */
function tell(look, words, address) {
  for (const link of document.querySelectorAll("a[data-heat]")) {
    if (link.dataset.heat === words) link.setAttribute("aria-current", "true");
    else link.removeAttribute("aria-current");
  }
  const line = look.querySelector("[data-looked]");
  const phrase = document.querySelector("a.trait[aria-current]");
  line.hidden = false;
  line.querySelector("[data-words]").textContent = words;
  const back = line.querySelector("[data-phrase]");
  back.hidden = !phrase;
  if (phrase) back.setAttribute("href", `#${phrase.id}`);
  line.querySelector("[data-sheet]").textContent = "sheet alone";
  document.getElementById("heat").value = words;
  history.replaceState(history.state, "", address);
}

function onSpecimen(look) {
  const go = (words, address) => {
    tell(look, words, address);
    // On a phone the text stands below the picture.
    if (look.getBoundingClientRect().bottom < 120) look.scrollIntoView({ block: "start" });
    return show(look, words);
  };
  document.addEventListener("click", (event) => {
    const link = event.target.closest("a.trait[data-heat]");
    if (!link || event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    go(link.dataset.heat, link.href);
  });
  const form = look.querySelector("[data-where]");
  form?.addEventListener("submit", (event) => {
    const values = new URLSearchParams([...new FormData(form)].filter(([, value]) => value.trim()));
    const words = values.get("heat")?.trim();
    event.preventDefault();
    if (words) go(words, `${form.action}?${values}`);
  });
  const sheet = look.querySelector("[data-sheet]");
  sheet?.addEventListener("click", (event) => {
    const picture = look.querySelector(".heat");
    if (!picture) return;
    event.preventDefault();
    picture.hidden = !picture.hidden;
    sheet.textContent = picture.hidden ? "heat map" : "sheet alone";
  });
}

function onHits() {
  document.addEventListener("click", (event) => {
    const link = event.target.closest("a.where");
    const look = link?.closest("[data-look]");
    if (!look || event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    const picture = look.querySelector(".heat");
    if (picture) picture.hidden = !picture.hidden;
    else show(look, link.dataset.heat);
    link.setAttribute("aria-pressed", String(!picture || !picture.hidden));
  });
}

export function helpHeat() {
  const specimen = document.querySelector("figure[data-look]");
  if (specimen?.querySelector("[data-looked]")) onSpecimen(specimen);
  onHits();
}
