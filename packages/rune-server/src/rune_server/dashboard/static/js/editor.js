// The policy editor: a plain text field with colours behind it, faults in the margin, and completion from
// the server's schema. Without this module the field and its form still work.

const WORDS = /^(true|false|on|off|null)$/;

function span(kind, text) {
  const element = document.createElement("span");
  element.className = `y-${kind}`;
  element.textContent = text;
  return element;
}

// One line as coloured parts. A reader's aid, not a parser: the loader on the server is the judge.
function colour(line) {
  const parts = [];
  const comment = line.match(/(^|\s)#.*$/);
  const code = comment ? line.slice(0, comment.index + comment[1].length) : line;
  const key = code.match(/^(\s*(?:- )?\s*)([A-Za-z_][\w.-]*)(\s*:)(?=\s|$)/);
  let rest = code;
  if (key) {
    parts.push(document.createTextNode(key[1]), span("key", key[2]), span("mark", key[3]));
    rest = code.slice(key[0].length);
  }
  for (const token of rest.match(/"(?:[^"\\]|\\.)*"?|'[^']*'?|[\w.-]+|\s+|./g) ?? []) {
    if (/^["']/.test(token)) parts.push(span("string", token));
    else if (/^-?\d+(\.\d+)?$/.test(token)) parts.push(span("number", token));
    else if (WORDS.test(token)) parts.push(span("word", token));
    else if (/^[[\]{},|>-]$/.test(token)) parts.push(span("mark", token));
    else parts.push(document.createTextNode(token));
  }
  if (comment) parts.push(span("comment", line.slice(code.length)));
  return parts;
}

class Editor {
  constructor(root) {
    this.root = root;
    this.field = root.querySelector("textarea");
    this.colours = root.querySelector("pre");
    this.gutter = root.querySelector(".editor-gutter");
    this.state = root.querySelector("[data-editor-state]");
    this.faultList = root.querySelector("[data-editor-faults]");
    this.ruleList = root.querySelector("[data-editor-rules]");
    this.faults = new Map();
    this.schema = null;
    this.choices = [];
    this.tabs = true;
    this.list = document.createElement("ul");
    this.list.className = "completions";
    this.list.id = "completions";
    this.list.setAttribute("role", "listbox");
    this.list.setAttribute("aria-label", "Completions");
    this.list.hidden = true;
    root.querySelector(".editor-pane").append(this.list);
    this.field.setAttribute("aria-controls", "completions");
    this.saved = this.field.value;
  }

  start() {
    this.field.addEventListener("input", () => {
      this.draw();
      this.checkSoon();
      this.complete(false);
    });
    this.field.addEventListener("scroll", () => this.follow());
    this.field.addEventListener("keydown", (event) => this.key(event));
    this.field.addEventListener("blur", () => { this.list.hidden = true; });
    this.field.form.addEventListener("submit", () => { this.saved = this.field.value; });
    this.list.addEventListener("pointerdown", (event) => {
      event.preventDefault();
      const item = event.target.closest("li");
      if (item) this.take([...this.list.children].indexOf(item));
    });
    this.faultList.addEventListener("click", (event) => this.jump(event));
    this.ruleList.addEventListener("click", (event) => this.jump(event));
    addEventListener("beforeunload", (event) => {
      if (!this.field.readOnly && this.field.value !== this.saved) event.preventDefault();
    });
    this.draw();
    this.check();
    fetch(this.root.dataset.schema).then((answer) => answer.json()).then((found) => { this.schema = found; }).catch(() => {});
  }

  draw() {
    const lines = this.field.value.split("\n");
    const drawn = [];
    for (const [at, line] of lines.entries()) {
      const row = document.createElement("span");
      row.append(...colour(line));
      if (this.faults.has(at + 1)) row.className = "y-fault";
      drawn.push(row, "\n");
    }
    this.colours.replaceChildren(...drawn);
    if (this.gutter.childElementCount !== lines.length || this.faultsChanged) {
      this.faultsChanged = false;
      this.gutter.replaceChildren(...lines.map((_, at) => {
        const number = document.createElement("div");
        number.textContent = at + 1;
        const fault = this.faults.get(at + 1);
        if (fault) {
          number.className = "fault";
          number.title = fault;
        }
        return number;
      }));
    }
    this.follow();
  }

  follow() {
    this.colours.scrollTop = this.field.scrollTop;
    this.colours.scrollLeft = this.field.scrollLeft;
    this.gutter.scrollTop = this.field.scrollTop;
  }

  checkSoon() {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.check(), 350);
  }

  async check() {
    const mine = (this.asked = (this.asked ?? 0) + 1);
    try {
      const body = new URLSearchParams({ yaml: this.field.value, csrf_token: this.field.form.csrf_token.value });
      const answer = await fetch(this.root.dataset.check, { method: "POST", body });
      if (mine !== this.asked || !answer.ok) return;
      this.show(await answer.json());
    } catch {
      // Away from the server: the last answer stays, saving will tell.
    }
  }

  show({ faults, rules }) {
    this.faults = new Map(faults.map((fault) => [fault.line, `${fault.key ? fault.key + " " : ""}${fault.message}`]));
    this.faultsChanged = true;
    this.draw();
    this.state.replaceChildren(document.getElementById(faults.length ? "badge-bad" : "badge-good").content.cloneNode(true));
    this.field.setAttribute("aria-invalid", String(faults.length > 0));
    this.faultList.replaceChildren(...(faults.length ? faults.slice(0, 20).map((fault) => this.faultLine(fault)) : [this.text("muted", "Agents would take this text.")]));
    this.ruleList.replaceChildren(...rules.map((rule) => this.ruleLine(rule)));
  }

  text(kind, words) {
    const element = document.createElement("p");
    element.className = kind;
    element.textContent = words;
    return element;
  }

  line(number) {
    const button = document.createElement("button");
    button.type = "button";
    button.className = "fault-line";
    button.dataset.line = number;
    return button;
  }

  faultLine(fault) {
    const button = this.line(fault.line);
    const key = document.createElement("code");
    key.textContent = fault.key;
    button.append(`Line ${fault.line}: `, key, ` ${fault.message}`);
    if (fault.hint) button.append(this.text("faint", fault.hint));
    return button;
  }

  ruleLine(rule) {
    const item = document.createElement("li");
    const button = this.line(rule.line);
    const name = document.createElement("span");
    name.className = "strong";
    name.textContent = rule.name;
    const what = document.createElement("span");
    what.className = "faint";
    what.textContent = ` ${rule.kind} · ${rule.action}`;
    button.append(name, what);
    item.append(button);
    return item;
  }

  jump(event) {
    const line = Number(event.target.closest("[data-line]")?.dataset.line);
    if (!line) return;
    const lines = this.field.value.split("\n");
    const start = lines.slice(0, line - 1).join("\n").length + (line > 1 ? 1 : 0);
    this.field.focus();
    this.field.setSelectionRange(start, start + (lines[line - 1]?.length ?? 0));
    this.field.scrollTop = Math.max(0, (line - 6) * this.lineHeight);
  }

  get lineHeight() {
    return parseFloat(getComputedStyle(this.field).lineHeight) || 20;
  }

  key(event) {
    if (!this.list.hidden) {
      const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
      if (step) this.select((this.chosen + step + this.choices.length) % this.choices.length);
      else if (event.key === "Enter" || event.key === "Tab") this.take(this.chosen);
      else if (event.key === "Escape") this.list.hidden = true;
      else return;
      event.preventDefault();
      event.stopPropagation();
      return;
    }
    if (event.key === " " && (event.ctrlKey || event.metaKey)) {
      event.preventDefault();
      this.complete(true);
    } else if (event.key === "Escape") {
      // Tab writes two spaces; after Escape it moves on, so that the keyboard is never caught.
      this.tabs = false;
      event.stopPropagation();
    } else if (event.key === "Tab" && this.tabs && !event.shiftKey && !this.field.readOnly) {
      event.preventDefault();
      this.insert("  ");
    } else if (event.key === "Enter" && !this.field.readOnly) {
      const before = this.lineBefore();
      const indent = before.match(/^\s*(- )?/)[0].replace("- ", "  ");
      event.preventDefault();
      this.insert(`\n${indent}${/:\s*$/.test(before) && !/^\s*- /.test(before) ? "  " : ""}`);
    } else if ((event.metaKey || event.ctrlKey) && event.key.toLowerCase() === "s") {
      event.preventDefault();
      document.querySelector("[data-editor-save]")?.click();
    } else if (event.key !== "Shift") this.tabs = true;
  }

  insert(text) {
    this.field.setRangeText(text, this.field.selectionStart, this.field.selectionEnd, "end");
    this.field.dispatchEvent(new Event("input", { bubbles: true }));
  }

  lineBefore() {
    const start = this.field.selectionStart;
    return this.field.value.slice(this.field.value.lastIndexOf("\n", start - 1) + 1, start);
  }

  // The part of the policy that the caret is in: the last key that stands at the margin.
  part() {
    const lines = this.field.value.slice(0, this.field.selectionStart).split("\n");
    const current = lines.pop();
    if (!/^\s/.test(current)) return "";
    for (const line of lines.reverse()) {
      const found = line.match(/^([A-Za-z_]+)\s*:/);
      if (found) return found[1];
    }
    return "";
  }

  complete(asked) {
    this.list.hidden = true;
    if (!this.schema || this.field.readOnly) return;
    const before = this.lineBefore();
    const keys = this.schema[this.part()];
    if (!keys) return;
    const value = before.match(/^\s*(?:- )?([A-Za-z_]+)\s*:\s*(?:\[.*?)?([\w-]*)$/);
    const key = before.match(/^\s*(?:- )?([A-Za-z_]*)$/);
    let choices = [];
    let typed = "";
    if (value) {
      typed = value[2];
      const found = keys.find(([name]) => name === value[1]);
      choices = (found?.[2] ?? []).map((one) => [one, ""]);
    } else if (key) {
      typed = key[1];
      choices = keys.map(([name, text]) => [`${name}: `, text]);
    }
    choices = choices.filter(([name]) => name.startsWith(typed) && name !== typed);
    if (!choices.length || (!asked && !typed)) return;
    this.choices = choices.slice(0, 12);
    this.typed = typed;
    this.list.replaceChildren(...this.choices.map(([name, text], at) => {
      const item = document.createElement("li");
      item.id = `completion-${at}`;
      item.setAttribute("role", "option");
      item.append(name.replace(": ", ""));
      if (text) {
        const note = document.createElement("small");
        note.textContent = text;
        item.append(note);
      }
      return item;
    }));
    this.list.hidden = false;
    this.place(before);
    this.select(0);
  }

  place(before) {
    const lines = this.field.value.slice(0, this.field.selectionStart).split("\n").length;
    const pane = this.root.querySelector(".editor-pane");
    const width = this.gutter.offsetWidth + 12 + (before.length - this.typed.length) * this.field.clientWidth / this.columns() - this.field.scrollLeft;
    this.list.style.left = `${Math.max(8, Math.min(width, pane.clientWidth - this.list.offsetWidth - 8))}px`;
    this.list.style.top = `${lines * this.lineHeight + 14 - this.field.scrollTop}px`;
  }

  columns() {
    const canvas = (this.canvas ??= document.createElement("canvas")).getContext("2d");
    canvas.font = getComputedStyle(this.field).font;
    return this.field.clientWidth / canvas.measureText("m").width;
  }

  select(at) {
    this.chosen = at;
    [...this.list.children].forEach((item, index) => item.setAttribute("aria-selected", String(index === at)));
    this.list.children[at]?.scrollIntoView({ block: "nearest" });
    this.field.setAttribute("aria-activedescendant", `completion-${at}`);
  }

  take(at) {
    const [name] = this.choices[at];
    this.list.hidden = true;
    this.insert(name.slice(this.typed.length));
    this.list.hidden = true;
  }
}

export function startEditor() {
  new Editor(document.querySelector("[data-editor]")).start();
}
