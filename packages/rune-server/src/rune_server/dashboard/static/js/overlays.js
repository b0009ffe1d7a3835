// Menus, dialogs, the drawer, the sidebar on a phone, messages.

function place(menu, button) {
  const box = button.getBoundingClientRect();
  const size = menu.getBoundingClientRect();
  const left = Math.max(8, Math.min(box.left, innerWidth - size.width - 8));
  const below = box.bottom + 4;
  const top = below + size.height > innerHeight - 8 ? Math.max(8, box.top - size.height - 4) : below;
  menu.style.left = `${left}px`;
  menu.style.top = `${top}px`;
}

export function toast(tone, text) {
  const template = document.getElementById(`toast-${tone}`);
  const list = document.getElementById("toasts");
  if (!template || !list) return;
  const element = template.content.firstElementChild.cloneNode(true);
  element.querySelector("span").textContent = text;
  list.append(element);
  fade(element);
}

function fade(element) {
  if (element.classList.contains("toast-good")) setTimeout(() => element.remove(), 6000);
}

let returnTo = null;

export function openDrawer(opener) {
  const drawer = document.getElementById("drawer");
  if (drawer.hidden) returnTo = opener ?? document.activeElement;
  drawer.hidden = false;
}

export function closeDrawer() {
  const drawer = document.getElementById("drawer");
  if (!drawer || drawer.hidden) return false;
  drawer.hidden = true;
  drawer.replaceChildren();
  document.dispatchEvent(new CustomEvent("rune:drawer-closed"));
  returnTo?.focus?.({ preventScroll: true });
  returnTo = null;
  return true;
}

function sidebar(open) {
  const bar = document.getElementById("sidebar");
  const button = document.querySelector("[data-sidebar]");
  bar.toggleAttribute("data-open", open);
  document.getElementById("scrim").hidden = !open;
  button.setAttribute("aria-expanded", String(open));
  if (open) bar.querySelector("a, button").focus();
  else button.focus();
}

export function startOverlays() {
  for (const button of document.querySelectorAll("[data-menu]")) {
    const menu = document.getElementById(button.dataset.menu);
    menu.addEventListener("toggle", (event) => {
      const open = event.newState === "open";
      button.setAttribute("aria-expanded", String(open));
      if (open) {
        place(menu, button);
        menu.querySelector("input:not([type=hidden]), a, button")?.focus();
      }
    });
    menu.addEventListener("keydown", (event) => {
      if (event.key !== "ArrowDown" && event.key !== "ArrowUp") return;
      const items = [...menu.querySelectorAll("a, button, input:not([type=hidden])")];
      const step = event.key === "ArrowDown" ? 1 : -1;
      const next = items[(items.indexOf(document.activeElement) + step + items.length) % items.length];
      next?.focus();
      event.preventDefault();
    });
  }
  document.addEventListener("click", (event) => {
    const target = event.target.closest("[data-open-dialog], [data-close], [data-dismiss], [data-sidebar], #scrim, [data-help], [data-copy]");
    if (!target) {
      if (event.target instanceof HTMLDialogElement) event.target.close();
      return;
    }
    if (target.dataset.openDialog) document.getElementById(target.dataset.openDialog).showModal();
    else if (target.hasAttribute("data-close")) {
      if (!closeDrawerFrom(target)) target.closest("dialog")?.close();
    } else if (target.hasAttribute("data-dismiss")) target.closest("[data-toast]").remove();
    else if (target.hasAttribute("data-sidebar")) sidebar(true);
    else if (target.id === "scrim") sidebar(false);
    else if (target.hasAttribute("data-help")) document.getElementById("help").showModal();
    else copy(target);
  });
  for (const element of document.querySelectorAll("[data-toast]")) fade(element);
  const opened = document.querySelector("dialog[data-open-now]");
  opened?.showModal();
}

function closeDrawerFrom(target) {
  return target.closest("#drawer") ? closeDrawer() : false;
}

export function closeSidebar() {
  const bar = document.getElementById("sidebar");
  if (!bar?.hasAttribute("data-open")) return false;
  sidebar(false);
  return true;
}

async function copy(button) {
  const label = button.querySelector("span");
  try {
    await navigator.clipboard.writeText(button.dataset.copy);
    if (label) label.textContent = "Copied";
  } catch {
    if (label) label.textContent = "Press Ctrl+C";
    const source = button.previousElementSibling;
    if (source) getSelection().selectAllChildren(source);
  }
  if (label) setTimeout(() => { label.textContent = "Copy"; }, 1600);
}
