// Forms: ask before what cannot be undone, send once, submit filters when they change.
export function startForms() {
  document.addEventListener("submit", (event) => {
    const form = event.target;
    const question = event.submitter?.dataset.confirm ?? form.dataset.confirm;
    if (question && !confirm(question)) {
      event.preventDefault();
      return;
    }
    if (form.method === "get") {
      // Empty fields do not belong into an address.
      for (const field of form.elements) if (field.name && !field.value) field.disabled = true;
      setTimeout(() => { for (const field of form.elements) field.disabled = false; }, 0);
      return;
    }
    if (form.dataset.sent) event.preventDefault();
    else {
      form.dataset.sent = "1";
      setTimeout(() => delete form.dataset.sent, 4000);
    }
  });
  document.addEventListener("change", (event) => {
    if (event.target.closest("[data-submit-on-change]")) event.target.form.requestSubmit();
  });
  document.addEventListener("click", (event) => {
    if (event.target.closest("[data-print]")) print();
    const reveal = event.target.closest("[data-reveal]");
    if (!reveal) return;
    const field = document.getElementById(reveal.dataset.reveal);
    field.type = field.type === "password" ? "text" : "password";
    reveal.setAttribute("aria-pressed", String(field.type === "text"));
  });
  for (const switcher of document.querySelectorAll("[data-shows]")) {
    // A select whose value says which group of fields is asked for.
    const update = () => {
      for (const group of document.querySelectorAll(`[data-shown-by="${switcher.name}"]`)) {
        const on = group.dataset.shownFor.split(" ").includes(switcher.value);
        group.hidden = !on;
        for (const field of group.querySelectorAll("input, select, textarea")) field.disabled = !on;
      }
    };
    switcher.addEventListener("change", update);
    update();
  }
}
