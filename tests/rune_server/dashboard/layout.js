// What is wrong with a page's layout, as texts: what makes it scroll sideways, what lies on top of
// something else, what is cut off without a sign, what is squeezed into columns of letters. Measured on what can be seen: a rectangle is cut
// by everything around it that clips or scrolls.
() => {
  const faults = new Set();
  const root = document.documentElement;
  const wide = root.scrollWidth - root.clientWidth;

  const named = (element) => {
    const classes = element.getAttribute("class");
    const place = element.closest("[id], section[aria-label], header, nav");
    const at = place && place !== element ? ` in ${place.id ? "#" + place.id : place.getAttribute("aria-label") ?? place.className}` : "";
    return element.tagName.toLowerCase() + (classes ? "." + classes.trim().split(/\s+/).join(".") : "") + at;
  };
  const said = (text) => `“${text.length > 24 ? text.slice(0, 24) + "…" : text}”`;

  // The boxes around an element that cut what sticks out of them, from the inside.
  const cutters = (element, own) => {
    const found = [];
    let position = own ? "static" : getComputedStyle(element).position;
    for (let each = own ? element : element.parentElement; each && each !== document.body; each = each.parentElement) {
      if (position === "fixed") break;
      const style = getComputedStyle(each);
      // What is placed absolutely is cut only by what it is placed in.
      if (position === "absolute" && style.position === "static" && style.transform === "none") continue;
      if (style.overflowX !== "visible" || style.overflowY !== "visible") {
        found.push([each, style.overflowX === "auto" || style.overflowX === "scroll", style]);
      }
      position = style.position;
    }
    return found;
  };
  const intersection = (one, other) => {
    const left = Math.max(one.left, other.left), right = Math.min(one.right, other.right);
    const top = Math.max(one.top, other.top), bottom = Math.min(one.bottom, other.bottom);
    return { left, right, top, bottom, width: right - left, height: bottom - top };
  };
  const passedOver = ".visually-hidden, .skip, .editor-text, .chart, .toasts, .spark, .bar, option, dialog:not([open]), [hidden]";
  const seen = (element) =>
    !element.closest(passedOver) && element.checkVisibility({ visibilityProperty: true, opacityProperty: true });

  const items = [];
  const take = (element, rect, what, text) => {
    let visible = rect;
    for (const [cutter, scrolls, style] of cutters(element, what === "text")) {
      const box = cutter.getBoundingClientRect();
      if (!scrolls && visible.right > box.right + 1) {
        if (what === "control") faults.add(`${named(element)} is cut off by ${named(cutter)}`);
        else if (style.textOverflow !== "ellipsis") faults.add(`${said(text)} is cut off without a sign by ${named(cutter)}`);
      }
      visible = intersection(visible, box);
      if (visible.width <= 0 || visible.height <= 0) return;
    }
    if (visible.right > root.clientWidth + 1 && !element.closest(".menu, .drawer")) {
      faults.add(`${what === "text" ? said(text) : named(element)} goes ${Math.round(visible.right - root.clientWidth)} px beyond the right edge`);
    }
    items.push({ element, what, text, rect: visible });
  };

  for (const element of document.querySelectorAll("button, a.button, input, select, textarea, .badge, .chip, .avatar, .count, .kbd, .dot, svg.icon")) {
    if (element.type === "hidden" || !seen(element)) continue;
    const rect = element.getBoundingClientRect();
    if (rect.width > 0 && rect.height > 0) take(element, rect, "control", "");
  }
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  for (let node = walker.nextNode(); node; node = walker.nextNode()) {
    const text = node.data.trim(), element = node.parentElement;
    if (!text || ["SCRIPT", "STYLE", "TEMPLATE", "TEXTAREA", "OPTION"].includes(element.tagName) || !seen(element)) continue;
    const range = document.createRange();
    range.selectNodeContents(node);
    const lines = new Set([...range.getClientRects()].map((rect) => rect.top)).size;
    if (lines > 1 && /^\S{1,12}$/.test(text)) faults.add(`${said(text)} is broken into ${lines} lines`);
    for (const rect of range.getClientRects()) {
      if (rect.width > 0 && rect.height > 0) take(element, rect, "text", text);
    }
  }
  if (wide > 0 && !faults.size) {
    const guilty = [...document.querySelectorAll("body *")].filter((each) => each.getBoundingClientRect().right > root.clientWidth + 1 && !cutters(each, false).length);
    faults.add(`the page scrolls ${wide} px sideways: ${guilty.slice(0, 3).map(named).join(", ")}`);
  } else if (wide > 0) faults.add(`the page scrolls ${wide} px sideways`);

  // A table scrolls, but nobody scrolls through one name.
  for (const cell of document.querySelectorAll(".table td")) {
    const scroller = cell.closest(".table-scroll");
    if (scroller && scroller.scrollWidth > scroller.clientWidth + 1 && cell.getBoundingClientRect().width > 500) {
      faults.add(`a cell with ${said(cell.textContent.trim())} is ${Math.round(cell.getBoundingClientRect().width)} px wide`);
    }
  }

  // Fixed things lie on top by design; only what is of one layer is compared.
  const layer = (element) => element.closest(".sidebar, .topbar, .menu, .drawer, dialog") ?? document.body;
  for (const item of items) item.layer = layer(item.element);
  items.sort((one, other) => one.rect.top - other.rect.top);
  for (let i = 0; i < items.length; i++) {
    for (let j = i + 1; j < items.length && items[j].rect.top < items[i].rect.bottom; j++) {
      const one = items[i], other = items[j];
      if (one.layer !== other.layer || one.element.contains(other.element) || other.element.contains(one.element)) continue;
      if (one.element.closest(".input-icon") && one.element.closest(".input-icon") === other.element.closest(".input-icon")) continue;
      const over = intersection(one.rect, other.rect);
      if (over.width > 2 && over.height > 3) {
        const name = (item) => (item.what === "text" ? said(item.text) : named(item.element));
        faults.add(`${name(one)} and ${name(other)} overlap by ${Math.round(over.width)} × ${Math.round(over.height)} px`);
      }
    }
  }
  return [...faults];
}
