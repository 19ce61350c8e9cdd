// A picture as a question: chosen, dropped or pasted. It becomes a vector on the server; the picture itself stays here.
import { asked } from "./form.js";

const form = document.querySelector("[data-ask]");
const key = (vector) => `picture ${vector.slice(0, 64)}`;

async function small(file) {
  const bitmap = await createImageBitmap(file);
  const scale = Math.min(1, 160 / Math.max(bitmap.width, bitmap.height));
  const canvas = document.createElement("canvas");
  [canvas.width, canvas.height] = [bitmap.width, bitmap.height].map((side) => Math.max(1, Math.round(side * scale)));
  canvas.getContext("2d").drawImage(bitmap, 0, 0, canvas.width, canvas.height);
  return canvas.toDataURL("image/jpeg", 0.8);
}

function tell(text) {
  const message = document.querySelector("[data-told]");
  message.textContent = text;
  message.hidden = !text;
  if (text) document.querySelector("[data-panel=picture]").open = true;
}

async function vectorOf(file) {
  if (file.size > Number(form.dataset.bytes)) throw new Error("This file is larger than the server takes.");
  const body = new FormData();
  body.append("image", file);
  const answer = await fetch(new URL("api/vector", form.action), { method: "POST", body });
  const found = await answer.json();
  if (!answer.ok) throw new Error(found.error);
  return found.vector;
}

async function search(file) {
  tell("");
  form.setAttribute("aria-busy", "true");
  try {
    const vector = await vectorOf(file);
    // Not every format that the server reads is shown by every browser.
    await small(file).then((shown) => sessionStorage.setItem(key(vector), shown)).catch(() => {});
    const values = asked(form);
    values.delete("picture");
    values.set("vector", vector);
    const url = new URL(form.action);
    url.search = values.toString();
    location.assign(url);
  } catch (error) {
    tell(error.message);
    form.removeAttribute("aria-busy");
  }
}

function preview() {
  const picture = document.querySelector("[data-preview]");
  const vector = new URL(location.href).searchParams.get("vector");
  const shown = vector && sessionStorage.getItem(key(vector));
  if (!picture || !shown) return;
  picture.src = shown;
  picture.hidden = false;
}

export function helpPictures() {
  const input = document.getElementById("picture");
  preview();
  if (!input) return;
  for (const hint of form.querySelectorAll("[data-script]")) hint.hidden = false;
  const first = (files) => [...(files ?? [])].find((file) => file.type.startsWith("image/"));
  input.addEventListener("change", () => input.files[0] && search(input.files[0]));
  form.addEventListener("submit", (event) => {
    if (event.submitter?.formMethod !== "post" || !input.files[0]) return;
    event.preventDefault();
    search(input.files[0]);
  });
  document.addEventListener("paste", (event) => {
    const file = first(event.clipboardData?.files);
    if (file) search(file);
  });
  for (const name of ["dragover", "dragleave", "drop"]) {
    document.addEventListener(name, (event) => {
      if (!event.dataTransfer?.types.includes("Files")) return;
      event.preventDefault();
      document.body.classList.toggle("dropping", name === "dragover");
      const file = name === "drop" && first(event.dataTransfer.files);
      if (file) search(file);
    });
  }
}
