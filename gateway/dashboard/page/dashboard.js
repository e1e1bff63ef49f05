// The gateway renders the page; this asks for it again and takes over what it
// says, so that whoever reads keeps their place.

const every = 2000; // ms
const atMost = 30_000;

let failures = 0;

async function refresh() {
  if (!document.hidden) {
    try {
      const reply = await fetch(location.href, { headers: { "Accept-Language": document.documentElement.lang }, signal: AbortSignal.timeout(10_000) });
      const page = new DOMParser().parseFromString(await reply.text(), "text/html");
      const now = page.querySelector("main");
      if (!now) throw new Error("not the dashboard");
      take(document.querySelector("main"), now);
      failures = 0;
    } catch {
      failures++;
    }
    document.querySelector("#lost").hidden = failures === 0;
  }
  setTimeout(refresh, Math.min(every * 2 ** failures, atMost));
}

// take replaces what changed, and only that: focus, selection and what was
// scrolled sideways stay.
function take(old, now) {
  if (old.isEqualNode(now)) return;
  const alike = old.children.length === now.children.length && old.children.length > 0 && [...old.childNodes].every((n) => n.nodeType !== Node.TEXT_NODE || n.data.trim() === "")
    && [...old.children].every((e, i) => e.tagName === now.children[i].tagName);
  if (!alike) {
    old.replaceWith(document.importNode(now, true));
    return;
  }
  for (const { name } of [...old.attributes]) if (!now.hasAttribute(name)) old.removeAttribute(name);
  for (const { name, value } of now.attributes) if (old.getAttribute(name) !== value) old.setAttribute(name, value);
  [...old.children].forEach((e, i) => take(e, now.children[i]));
}

document.addEventListener("visibilitychange", () => { failures = 0; });
setTimeout(refresh, every);
