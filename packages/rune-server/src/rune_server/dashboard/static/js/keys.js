// The keyboard. Single keys only outside of fields, and never with a modifier.
import { closeDrawer, closeSidebar } from "./overlays.js";
import { openPalette } from "./palette.js";
import { moveRow, openRow, stepInDrawer } from "./lists.js";

const PLACES = { o: "/", e: "/events", s: "/sessions", a: "/agents", t: "/threats", p: "/policies", i: "/alerts" };
let goPressed = 0;

function typing(target) {
  return target.isContentEditable || /^(INPUT|TEXTAREA|SELECT)$/.test(target.tagName);
}

function press(key, event) {
  if (performance.now() - goPressed < 1200) {
    goPressed = 0;
    if (PLACES[key]) return location.assign(PLACES[key]);
  }
  if (key === "g") goPressed = performance.now();
  else if (key === "j") moveRow(1);
  else if (key === "k") moveRow(-1);
  else if (key === "Enter" || key === "o") return openRow(event);
  else if (key === "[") stepInDrawer(-1);
  else if (key === "]") stepInDrawer(1);
  else if (key === "?") document.getElementById("help")?.showModal();
  else if (key === "/") {
    const field = document.querySelector("[data-search]");
    if (!field) return openPalette();
    field.focus();
    event.preventDefault();
  } else document.querySelector(`[data-key="${CSS.escape(key)}"]`)?.click();
}

export function startKeys() {
  document.addEventListener("keydown", (event) => {
    if ((event.metaKey || event.ctrlKey) && event.key.toLowerCase() === "k") {
      event.preventDefault();
      return openPalette();
    }
    if (event.key === "Escape") {
      if (document.querySelector("dialog[open], [popover]:popover-open")) return;
      if (typing(event.target)) event.target.blur();
      else if (!closeDrawer()) closeSidebar();
      return;
    }
    if (event.metaKey || event.ctrlKey || event.altKey || typing(event.target)) return;
    if (document.querySelector("dialog[open]")) return;
    press(event.key, event);
  });
}
