// htmx's requests: a failed one says so instead of doing nothing.
import { toast } from "./overlays.js";

export function startRequests() {
  document.addEventListener("htmx:responseError", (event) => {
    const status = event.detail.xhr.status;
    if (status === 401) location.assign(`/sign-in?next=${encodeURIComponent(location.pathname + location.search)}`);
    else toast("bad", event.detail.xhr.getResponseHeader("X-Problem") || `The server answered ${status}. Try again.`);
  });
  document.addEventListener("htmx:sendError", () => toast("bad", "The server cannot be reached. Try again in a moment."));
}
