// Lists of rows: one row is the current one; Enter or a click opens it, in the drawer if it has one.
import { closeDrawer, openDrawer } from "./overlays.js";

function rows() {
  return [...document.querySelectorAll("tr[data-href], li[data-href]")];
}

function current() {
  return document.querySelector('[data-href][aria-selected="true"]');
}

function choose(row) {
  current()?.removeAttribute("aria-selected");
  if (!row) return;
  row.setAttribute("aria-selected", "true");
  row.querySelector("a")?.focus({ preventScroll: true });
  row.scrollIntoView({ block: "nearest" });
}

export function moveRow(step) {
  const all = rows();
  if (!all.length) return;
  const index = all.indexOf(current());
  const next = all[index < 0 ? (step > 0 ? 0 : all.length - 1) : Math.max(0, Math.min(all.length - 1, index + step))];
  choose(next);
  if (!document.getElementById("drawer")?.hidden) open(next);
}

export function stepInDrawer(step) {
  if (!document.getElementById("drawer")?.hidden) moveRow(step);
}

export function openRow(event) {
  const row = current();
  if (!row || (event && event.target.closest("a, button") && !row.contains(event.target))) return;
  event?.preventDefault();
  open(row);
}

function open(row) {
  const drawer = row.dataset.drawer;
  if (!drawer) return location.assign(row.dataset.href);
  openDrawer(row.querySelector("a"));
  htmx.ajax("GET", drawer, { target: "#drawer", swap: "innerHTML" }).then(() => {
    history.replaceState(history.state, "", withOpen(row.dataset.id));
  });
}

function withOpen(id) {
  const address = new URL(location.href);
  if (id) address.searchParams.set("open", id);
  else address.searchParams.delete("open");
  return address;
}

export function startLists() {
  document.addEventListener("click", (event) => {
    const row = event.target.closest("[data-href]");
    if (!row || event.metaKey || event.ctrlKey || event.shiftKey || event.button) return;
    const link = event.target.closest("a, button, input, label");
    if (link && link.getAttribute("href") !== row.dataset.href) return;
    if (!link && String(getSelection())) return;
    event.preventDefault();
    choose(row);
    open(row);
  });
  document.addEventListener("rune:drawer-closed", () => history.replaceState(history.state, "", withOpen(null)));
  document.addEventListener("click", (event) => {
    const drawer = document.getElementById("drawer");
    if (drawer && !drawer.hidden && !event.target.closest("#drawer, [data-href], dialog, .menu, .toasts")) closeDrawer();
  });
  const asked = new URL(location.href).searchParams.get("open");
  const row = asked && document.querySelector(`[data-id="${CSS.escape(asked)}"]`);
  const fallback = document.querySelector("[data-drawer-base]");
  if (row) {
    choose(row);
    open(row);
  } else if (asked && fallback) {
    openDrawer();
    htmx.ajax("GET", `${fallback.dataset.drawerBase}/${encodeURIComponent(asked)}/drawer`, { target: "#drawer", swap: "innerHTML" });
  }
}
