// Shows what becomes of what was sent, as it happens, and goes on when the
// server says so.
export function follow() {
  const news = document.querySelector("#news");
  const { since, shown } = news.dataset;
  const events = new EventSource(`events?${new URLSearchParams({ since, shown })}`);
  events.addEventListener("message", (event) => {
    const { text, alert, next } = JSON.parse(event.data);
    if (next) {
      events.close();
      location.replace(next);
      return;
    }
    if (news.textContent !== text) news.textContent = text;
    const calm = document.querySelector("#code") ? "quiet" : "live";
    news.className = alert ? "note" : calm;
  });
  // A page in the browser's memory listens no more; when it is back it looks anew.
  window.addEventListener("pagehide", () => events.close());
  window.addEventListener("pageshow", (event) => { if (event.persisted) location.reload(); });
}

// countDown lets each way on be used when its time has come, and shows how long
// that is.
export function countDown() {
  const begin = performance.now();
  for (const way of document.querySelectorAll("[data-wait]")) {
    const text = way.querySelector(".wait");
    const tick = () => {
      const left = Math.ceil(Number(way.dataset.wait) - (performance.now() - begin) / 1000);
      text.textContent = left > 0 ? text.dataset.text.replace("{n}", left) : "";
      if (way.matches("button")) way.disabled = left > 0;
      else way.ariaDisabled = left > 0 ? "true" : null;
      if (left > 0) setTimeout(tick, 250);
    };
    tick();
    way.addEventListener("click", (event) => { if (way.ariaDisabled) event.preventDefault(); });
  }
}
