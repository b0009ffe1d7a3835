// Times arrive formatted in the zone that the server knows of. This tells it the browser's zone, and
// keeps "3 min ago" true while the page is open.
import { recall, remember } from "./cookies.js";

const MINUTE = 60;
const HOUR = 3600;
const DAY = 86400;

export function ago(at, now = Date.now()) {
  const seconds = Math.round((now - at) / 1000);
  if (seconds < 0) return "just now";
  if (seconds < 5) return "just now";
  if (seconds < MINUTE) return `${seconds}s ago`;
  if (seconds < HOUR) return `${Math.floor(seconds / MINUTE)}m ago`;
  if (seconds < DAY) return `${Math.floor(seconds / HOUR)}h ago`;
  return `${Math.floor(seconds / DAY)}d ago`;
}

function browserZone() {
  return Intl.DateTimeFormat().resolvedOptions().timeZone || "UTC";
}

function inZone(at, form, zone) {
  const options = form === "clock"
    ? { hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23" }
    : { day: "numeric", month: "short", hour: "2-digit", minute: "2-digit", hourCycle: "h23" };
  return new Intl.DateTimeFormat("en-GB", { ...options, timeZone: zone }).format(at).replace(",", "");
}

function tick() {
  for (const element of document.querySelectorAll('time[data-form="ago"]')) {
    const text = ago(Date.parse(element.dateTime));
    if (element.textContent !== text) element.textContent = text;
  }
}

export function startTimes() {
  const body = document.body;
  const zone = browserZone();
  if (recall("rune_browser_zone") !== zone) remember("rune_browser_zone", zone);
  if (body.dataset.zoneChoice === "auto" && body.dataset.zone && body.dataset.zone !== zone) {
    // The first page of a new browser: the server did not know.
    for (const element of document.querySelectorAll("time[data-form]")) {
      const form = element.dataset.form;
      if (form === "clock" || form === "short") element.textContent = inZone(Date.parse(element.dateTime), form, zone);
    }
  }
  tick();
  setInterval(tick, 10_000);
}
