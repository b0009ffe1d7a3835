// Turns green when the first event arrives: told by the live stream, with a question every few seconds
// beside it for when there is none.
export function startOnboarding() {
  const box = document.querySelector("[data-await-event]");
  if (box.hasAttribute("data-arrived")) return;
  const source = new EventSource(`/events/live?view=feed&after=${encodeURIComponent(new Date().toISOString())}`);
  const timer = setInterval(ask, 4000);

  async function ask() {
    try {
      const answer = await fetch(box.dataset.awaitEvent);
      if (answer.ok && (await answer.json()).arrived) done();
    } catch {
      // Away for a moment: the next question will tell.
    }
  }

  function done() {
    clearInterval(timer);
    source.close();
    if (box.hasAttribute("data-arrived")) return;
    box.setAttribute("data-arrived", "");
    box.querySelector(".dot").className = "dot dot-good";
    box.querySelector("[data-await-text]").textContent = "The first event has arrived.";
    box.closest("li").setAttribute("data-done", "");
    document.querySelector("[data-await-next]").hidden = false;
  }

  source.addEventListener("rows", done);
  addEventListener("pagehide", () => source.close());
}
