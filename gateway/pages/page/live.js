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

// countDown lets each way to send again be used when its time has come.
export function countDown() {
  const begin = performance.now();
  for (const button of document.querySelectorAll("button[data-wait]")) {
    const text = button.form.querySelector(".wait");
    const tick = () => {
      const left = Math.ceil(Number(button.dataset.wait) - (performance.now() - begin) / 1000);
      button.disabled = left > 0;
      text.textContent = left > 0 ? text.dataset.text.replace("{n}", left) : "";
      if (left > 0) setTimeout(tick, 250);
    };
    tick();
  }
}
