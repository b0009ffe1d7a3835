// Go to anything: pages at once, agents and policies as the server finds them.
let timer = 0;
let asked = 0;
let shown = null;

const dialog = () => document.getElementById("palette");
const list = () => document.getElementById("palette-list");
const options = () => [...list().querySelectorAll("[role=option]")];

export function openPalette() {
  const box = dialog();
  if (!box || box.open) return;
  box.showModal();
  const field = document.getElementById("palette-input");
  field.value = "";
  field.focus();
  load("");
}

async function load(query) {
  const mine = ++asked;
  try {
    const answer = await fetch(`/palette?q=${encodeURIComponent(query)}`, { headers: { "HX-Request": "true" } });
    if (mine !== asked || !answer.ok) return;
    // The server's own template, escaped there; scripts in it would not run.
    list().innerHTML = await answer.text();
    shown = query;
    select(0);
  } catch {
    list().textContent = "The server cannot be reached.";
  }
}

// What is shown may still be for less than what was typed.
async function go() {
  const field = document.getElementById("palette-input");
  clearTimeout(timer);
  if (shown !== field.value) await load(field.value);
  list().querySelector('[aria-selected="true"]')?.click();
}

function select(index) {
  const all = options();
  all.forEach((one, at) => one.setAttribute("aria-selected", String(at === index)));
  const chosen = all[index];
  chosen?.scrollIntoView({ block: "nearest" });
  document.getElementById("palette-input").setAttribute("aria-activedescendant", chosen?.id ?? "");
}

export function startPalette() {
  const field = document.getElementById("palette-input");
  if (!field) return;
  document.addEventListener("click", (event) => {
    if (event.target.closest("[data-palette]")) openPalette();
  });
  field.addEventListener("input", () => {
    clearTimeout(timer);
    timer = setTimeout(() => load(field.value), 90);
  });
  field.addEventListener("keydown", (event) => {
    const all = options();
    const at = all.findIndex((one) => one.getAttribute("aria-selected") === "true");
    if (event.key === "ArrowDown") select(Math.min(all.length - 1, at + 1));
    else if (event.key === "ArrowUp") select(Math.max(0, at - 1));
    else if (event.key === "Enter") go();
    else return;
    event.preventDefault();
  });
  list().addEventListener("click", (event) => {
    const action = event.target.closest("[data-action]");
    if (!action) return;
    event.preventDefault();
    dialog().close();
    if (action.dataset.action === "help") document.getElementById("help").showModal();
    else document.querySelector(`[data-theme-choice="${CSS.escape(action.dataset.action)}"]`)?.click();
  });
}
