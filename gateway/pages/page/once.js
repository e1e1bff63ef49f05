// What is on its way for longer may be sent again: who has stopped the browser
// would click in vain otherwise.
const most = 8_000; // ms

// Sends each form once: a second click does nothing until the page is back. The
// server sees to that as well; this spares the wait.
export function sendOnce() {
  for (const form of document.querySelectorAll("form[data-once]")) {
    form.addEventListener("submit", (event) => {
      if (form.dataset.sent) {
        event.preventDefault();
        return;
      }
      form.dataset.sent = "yes";
      event.submitter?.setAttribute("aria-busy", "true");
      setTimeout(() => release(form), most);
    });
  }
  // A page that comes back from the browser's memory is as new.
  window.addEventListener("pageshow", () => document.querySelectorAll("form[data-sent]").forEach(release));
}

function release(form) {
  delete form.dataset.sent;
  for (const button of document.querySelectorAll("[aria-busy]")) if (button.form === form) button.removeAttribute("aria-busy");
}
