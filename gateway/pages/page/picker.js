// Puts a search field in the place of a long select, which keeps the value. The
// pattern is the WAI-ARIA Authoring Practices' combobox with a list.
export function pick(select) {
  const { search, none, found } = select.dataset;
  const all = [...select.options].map((o) => ({
    value: o.value, text: o.text, key: ` ${folded(`${o.text} ${o.dataset.search} ${o.value}`)}`,
  }));
  const box = make("div", { className: "picker" });
  const input = make("input", { type: "text", autocomplete: "off", spellcheck: false, id: "country-search" });
  set(input, { role: "combobox", "aria-expanded": "false", "aria-controls": "countries", "aria-autocomplete": "list" });
  const described = select.getAttribute("aria-describedby");
  if (described) set(input, { "aria-describedby": described, "aria-invalid": "true" });
  const list = make("ul", { id: "countries", hidden: true });
  const label = document.querySelector(`label[for=${select.id}]`);
  set(list, { role: "listbox", "aria-label": label.textContent });
  const count = make("p", { className: "unseen" });
  set(count, { role: "status" });
  box.append(input, list, count);
  select.after(box);
  select.hidden = true;
  label.htmlFor = input.id;

  let shown = []; // what the list holds
  let at = -1; // which of them is marked
  const chosen = () => select.selectedOptions[0]?.text ?? "";
  input.value = chosen();

  function mark(i) {
    list.children[at]?.setAttribute("aria-selected", "false");
    at = i;
    const item = list.children[at];
    if (item && shown.length) {
      item.setAttribute("aria-selected", "true");
      input.setAttribute("aria-activedescendant", item.id);
      item.scrollIntoView({ block: "nearest" });
    } else {
      input.removeAttribute("aria-activedescendant");
    }
  }

  function open(query) {
    const words = folded(query).split(" ").filter(Boolean);
    shown = all.filter((c) => words.every((w) => c.key.includes(/^\d/.test(w) ? `+${w}` : w)));
    // Names that begin with what was typed come before those that hold it.
    if (words.length) shown.sort((a, b) => b.key.includes(` ${words[0]}`) - a.key.includes(` ${words[0]}`));
    list.replaceChildren(...shown.map((c, i) => {
      const item = make("li", { id: `country-${i}`, textContent: c.text });
      set(item, { role: "option", "aria-selected": "false" });
      item.dataset.value = c.value;
      return item;
    }));
    if (!shown.length) {
      const item = make("li", { className: "none quiet", textContent: none });
      set(item, { role: "option", "aria-disabled": "true", "aria-selected": "false" });
      list.append(item);
    }
    list.hidden = false;
    input.setAttribute("aria-expanded", "true");
    at = -1;
    const now = words.length ? 0 : shown.findIndex((c) => c.value === select.value);
    mark(shown.length ? Math.max(0, now) : -1);
    count.textContent = words.length ? (shown.length ? found.replace("{n}", shown.length) : none) : "";
  }

  function close() {
    list.hidden = true;
    input.setAttribute("aria-expanded", "false");
    input.removeAttribute("aria-activedescendant");
    input.placeholder = "";
    input.value = chosen();
    if (document.activeElement === input) input.select();
  }

  function choose(value) {
    select.value = value;
    select.dispatchEvent(new Event("change", { bubbles: true }));
    close();
  }

  function begin() {
    if (!list.hidden) return;
    input.placeholder = chosen();
    input.value = "";
    open("");
    input.placeholder = search;
  }

  input.addEventListener("focus", () => input.select());
  input.addEventListener("click", begin);
  input.addEventListener("input", () => open(input.value));
  input.addEventListener("blur", close);
  input.addEventListener("keydown", (event) => {
    if (event.isComposing) return;
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (step) {
      if (list.hidden) begin();
      else if (shown.length) mark((at + step + shown.length) % shown.length);
    } else if (event.key === "Enter" && !list.hidden) {
      if (shown[at]) choose(shown[at].value);
    } else if (event.key === "Tab" && !list.hidden && input.value && shown[at]) {
      choose(shown[at].value);
      return; // and the focus moves on
    } else if (event.key === "Escape" && !list.hidden) {
      close();
    } else {
      return;
    }
    event.preventDefault();
  });
  // Enter chooses a country; it doesn't send the form.
  input.addEventListener("keypress", (event) => { if (event.key === "Enter") event.preventDefault(); });
  list.addEventListener("mousedown", (event) => {
    event.preventDefault(); // the field keeps the focus
    const value = event.target.closest("li")?.dataset.value;
    if (value) choose(value);
  });
}

// folded is how texts are compared: without width, case, accents, or the
// difference between hiragana and katakana.
function folded(text) {
  return text.normalize("NFKD").replace(/[\u0300-\u036f]/g, "").normalize("NFKC").toLowerCase()
    .replace(/[\u3041-\u3096]/g, (c) => String.fromCharCode(c.charCodeAt(0) + 0x60))
    .replace(/['’]/g, "")
    .replace(/[\s()・･,.]+/g, " ").trim();
}

function make(name, properties) { return Object.assign(document.createElement(name), properties); }

function set(element, attributes) {
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
}
