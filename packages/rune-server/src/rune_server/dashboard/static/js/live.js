// Live rows over server-sent events. A row is shown once: rows are told apart by their id, however
// often a connection breaks. While somebody reads (the pointer is on the list, a row is chosen, the page
// is scrolled), new rows wait behind a button instead of moving what is being read.

const REMEMBERED = 2000;
const calm = matchMedia("(prefers-reduced-motion: reduce)");

class LiveList {
  constructor(list) {
    this.list = list;
    this.most = Number(list.dataset.liveRows) || 50;
    this.address = new URL(list.dataset.live, location.href);
    this.status = document.querySelector("[data-connection]");
    this.button = document.querySelector("[data-live-show]");
    this.waiting = new Map();
    this.seen = new Set([...list.children].map((row) => row.dataset.id));
    this.newest = Math.max(0, ...[...list.children].map((row) => Date.parse(row.dataset.at)));
    this.opened = Date.now();
    this.pause = 500;
    this.on = false;
    this.refreshing = 0;
    this.button?.addEventListener("click", () => this.show());
    list.addEventListener("pointerleave", () => this.calmDown());
    document.addEventListener("scroll", () => this.calmDown(), { passive: true });
    document.addEventListener("rune:drawer-closed", () => this.calmDown());
    addEventListener("pagehide", () => this.source?.close());
  }

  start() {
    this.on = true;
    this.connect();
  }

  stop() {
    this.on = false;
    clearTimeout(this.timer);
    this.source?.close();
    this.say("", "Paused");
    if (this.status) this.status.hidden = true;
  }

  connect() {
    if (!this.on) return;
    if (this.status) this.status.hidden = false;
    const address = new URL(this.address);
    // From the newest row on, or from when the page was drawn if it had none.
    address.searchParams.set("after", new Date(this.newest || this.opened).toISOString());
    this.source = new EventSource(address);
    this.source.addEventListener("ready", () => {
      this.pause = 500;
      this.say("live", "Live");
    });
    this.source.addEventListener("rows", (event) => this.take(JSON.parse(event.data)));
    this.source.addEventListener("error", () => {
      // The browser's own reconnecting gives up at some answers. This never does.
      const refused = this.source.readyState === EventSource.CLOSED;
      this.source.close();
      this.say("warn", "Reconnecting");
      this.again(this.pause + Math.random() * this.pause);
      this.pause = Math.min(this.pause * 2, 15_000);
      if (refused) this.tellWhy(address);
    });
  }

  again(milliseconds) {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.connect(), milliseconds);
  }

  // An event source does not say what the answer was: ask once more, for its head only.
  async tellWhy(address) {
    const asked = new AbortController();
    try {
      const answer = await fetch(address, { signal: asked.signal });
      if (answer.status !== 429 || !this.on || this.source.readyState !== EventSource.CLOSED) return;
      this.say("bad", "Too many live pages: close one");
      this.again((Number(answer.headers.get("retry-after")) || 15) * 1000);
    } catch {
      // Away: the next attempt tells.
    } finally {
      asked.abort();
    }
  }

  say(tone, text) {
    if (!this.status) return;
    const [dot, words] = this.status.children;
    dot.className = tone ? `dot dot-${tone}` : "dot";
    words.textContent = text;
  }

  get busy() {
    if (!this.list.matches("tbody")) return this.list.matches(":hover") || this.list.scrollTop > 0;
    const drawer = document.getElementById("drawer");
    return scrollY > 40 || this.list.matches(":hover") || (drawer && !drawer.hidden) || this.list.contains(document.activeElement);
  }

  take(rows) {
    let fresh = 0;
    for (const row of rows) {
      if (this.seen.has(row.id)) continue;
      this.seen.add(row.id);
      this.waiting.set(row.id, row);
      this.newest = Math.max(this.newest, row.at);
      fresh += 1;
    }
    if (!fresh) return;
    if (this.seen.size > REMEMBERED) this.seen = new Set([...this.seen].slice(-REMEMBERED / 2));
    if (this.waiting.size > this.most) this.waiting = new Map([...this.waiting].slice(-this.most));
    if (this.busy) this.offer();
    else this.show();
    this.refresh();
  }

  offer() {
    if (!this.button) return;
    this.button.hidden = false;
    this.button.querySelector("span").textContent = `${this.waiting.size} new`;
  }

  calmDown() {
    if (this.waiting.size && !this.busy) this.show();
  }

  show() {
    const rows = [...this.waiting.values()].sort((one, other) => one.at - other.at);
    this.waiting.clear();
    if (this.button) this.button.hidden = true;
    if (!rows.length) return;
    const empty = this.list.dataset.liveEmpty;
    if (empty) document.querySelector(empty)?.remove();
    const height = this.list.firstElementChild?.offsetHeight ?? 0;
    const before = this.list.firstElementChild;
    const all = new Map([...this.list.children].map((row) => [row.dataset.id, row]));
    for (const row of rows) {
      const holder = document.createElement("template");
      // Drawn and escaped by the server, from its own template.
      holder.innerHTML = row.html.trim();
      if (!all.has(row.id)) all.set(row.id, holder.content.firstElementChild);
    }
    const sorted = [...all.values()].sort((one, other) => Date.parse(other.dataset.at) - Date.parse(one.dataset.at)).slice(0, this.most);
    // All in one go: the list is drawn anew instead of each row being pushed down by the next.
    this.list.replaceChildren(...sorted);
    htmx.process(this.list);
    this.slide((before ? sorted.indexOf(before) : 0) * height);
  }

  // New rows push the others down smoothly, for those who have not asked for less motion.
  slide(distance) {
    this.list.getAnimations().forEach((one) => one.cancel());
    if (calm.matches || distance <= 0) return;
    this.list.animate([{ transform: `translateY(${-distance}px)` }, { transform: "none" }], { duration: 260, easing: "cubic-bezier(0.2, 0.8, 0.2, 1)" });
  }

  // Figures beside the list follow, not more often than every few seconds.
  refresh() {
    const target = this.list.dataset.liveRefreshes;
    if (!target || this.refreshing) return;
    this.refreshing = setTimeout(() => {
      this.refreshing = 0;
      const element = document.querySelector(target);
      if (element && !document.hidden && !element.matches(":hover")) htmx.trigger(element, "refresh");
    }, 6000 + Math.random() * 4000);
  }
}

export function startLive() {
  const element = document.querySelector("[data-live]");
  const live = new LiveList(element);
  const toggle = document.querySelector("[data-live-toggle]");
  if (!element.hasAttribute("data-live-off")) live.start();
  toggle?.addEventListener("click", () => {
    const on = !live.on;
    toggle.setAttribute("aria-pressed", String(on));
    const address = new URL(location.href);
    if (on) {
      address.searchParams.set("live", "1");
      live.start();
    } else {
      address.searchParams.delete("live");
      live.stop();
    }
    history.replaceState(history.state, "", address);
  });
}
