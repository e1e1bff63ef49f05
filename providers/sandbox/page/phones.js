// The phones on the screen. The gateway says what there is to see of each by
// server-sent events; this draws it, speaks it, and passes on what a person does.

const most = 16; // phones on the screen, as many as one stream follows
const slow = 10_000; // ms
const kept = "denwa.phones";

const $ = (selector, within = document) => within.querySelector(selector);
const words = Object.fromEntries([...$("#words").content.querySelectorAll("[data-word]")].map((e) => [e.dataset.word, e.textContent]));
const word = (name) => words[name] ?? name;
const clone = (id) => $(id).content.firstElementChild.cloneNode(true);

const phones = new Map(); // number → Phone, in the order of the screen
const dismissed = new Set(); // numbers that were taken off the screen

// post asks the gateway for something, and returns "" or why it didn't do it.
async function post(path, body = {}, method = "POST") {
  try {
    const reply = await fetch(`api/${path}`, {
      method,
      headers: method === "POST" ? { "Content-Type": "application/json" } : {},
      body: method === "POST" ? JSON.stringify(body) : undefined,
    });
    if (reply.ok) return "";
    const { code, detail } = await reply.json();
    return words[`refused.${code}`] ?? detail;
  } catch {
    return word("failed");
  }
}

// readNumber reads a number as a person types it; "" if it is none.
function readNumber(text) {
  let digits = text.normalize("NFKC").replace(/[\s().‐-―−ー-]/g, "");
  if (/^0[1-9]/.test(digits)) digits = `+81${digits.slice(1)}`;
  return /^\+?[1-9][0-9]{6,14}$/.test(digits) ? `+${digits.replace("+", "")}` : "";
}

// pretty groups the digits of a number of Japan, where most of them are mobile.
const pretty = (number) => number.replace(/^\+81([5789]0)(\d{4})(\d{4})$/, "+81 $1-$2-$3");

const voice = {
  get on() { return $("#sound").checked; },
  say(text) {
    if (!this.on || !window.speechSynthesis) return;
    const lang = /[\p{sc=Hiragana}\p{sc=Katakana}\p{sc=Han}]/u.test(text) ? "ja-JP" : "en-US";
    const utterance = new SpeechSynthesisUtterance(text);
    utterance.lang = lang;
    utterance.voice = speechSynthesis.getVoices().find((v) => v.lang.startsWith(lang.slice(0, 2))) ?? null;
    speechSynthesis.speak(utterance);
  },
  hush() { window.speechSynthesis?.cancel(); },
  // ring plays one ring. Browsers let a page do so once a person has touched it.
  ring() {
    if (!this.on || !navigator.userActivation?.hasBeenActive) return;
    this.audio ??= new AudioContext();
    const now = this.audio.currentTime;
    const loudness = this.audio.createGain();
    loudness.connect(this.audio.destination);
    loudness.gain.setValueAtTime(0.06, now);
    loudness.gain.setTargetAtTime(0, now + 0.9, 0.05);
    for (const hertz of [400, 416]) {
      const tone = this.audio.createOscillator();
      tone.frequency.value = hertz;
      tone.connect(loudness);
      tone.start(now);
      tone.stop(now + 1.2);
    }
  },
};

class Phone {
  constructor(number) {
    this.number = number;
    this.path = `phones/${encodeURIComponent(number)}`;
    this.spoken = new Map(); // call id → prompts that were said aloud, or before this page looked
    this.call = null;
    const e = (this.element = clone("#phone"));
    const title = $("h2", e);
    title.textContent = pretty(number);
    title.id = `phone${number.slice(1)}`;
    e.setAttribute("aria-labelledby", title.id);
    e.dataset.number = number;
    $(".remove", e).onclick = () => remove(number);
    $(".reset", e).onclick = () => this.act(this.path, undefined, "DELETE");
    $(".answer", e).onclick = () => this.act(`calls/${this.call.id}/answer`);
    $(".hangup", e).onclick = () => { voice.hush(); this.act(`calls/${this.call.id}/hangup`); };
    $(".keypad", e).onclick = ({ target }) => target.value && this.press(target.value);
    e.onkeydown = (event) => {
      if (event.ctrlKey || event.metaKey || event.altKey || event.target.tagName === "INPUT") return;
      if (/^[0-9*#]$/.test(event.key) && this.call?.status === "answered") this.press(event.key);
    };
    for (const radio of e.querySelectorAll("input[type=radio]")) {
      radio.name = `${radio.dataset.name}${number}`;
      radio.onchange = () => this.behave();
    }
  }

  async act(path, body, method) {
    const trouble = $(".trouble", this.element);
    trouble.hidden = true;
    trouble.textContent = await post(path, body, method);
    trouble.hidden = trouble.textContent === "";
    return trouble.hidden;
  }

  press(key) {
    voice.hush();
    $("output", this.element).textContent += key;
    this.act(`calls/${this.call.id}/press`, { digits: key });
  }

  behave() {
    const chosen = (name) => $(`input[data-name=${name}]:checked`, this.element)?.value;
    const sms = chosen("sms") ?? "delivered";
    const behaviour = { sms: sms === "slow" ? "delivered" : sms, voice: chosen("voice") ?? "ringing", delay_ms: sms === "slow" ? slow : 0 };
    if (chosen("error")) behaviour.error = chosen("error");
    this.act(`${this.path}/behaviour`, behaviour);
    // What was seen before the gateway heard of it must not undo the choice.
    clearTimeout(this.settling);
    this.settling = setTimeout(() => { this.settling = 0; this.showBehaviour(); }, 1000);
  }

  show({ messages, calls, behaviour }) {
    this.showCall(calls.findLast((c) => ["accepted", "ringing", "answered"].includes(c.status)) ?? null, calls);
    this.showHistory(messages, calls);
    this.behaviour = behaviour;
    this.showBehaviour();
    this.seen = true;
  }

  showBehaviour() {
    if (this.settling) return;
    const { sms, voice, error = "", delay_ms: delay } = this.behaviour;
    const shown = { sms: sms === "delivered" && delay > 0 ? "slow" : sms, voice, error };
    for (const radio of this.element.querySelectorAll("input[type=radio]")) radio.checked = radio.value === shown[radio.dataset.name];
  }

  showCall(call, calls) {
    const e = this.element;
    for (const c of calls) {
      const said = this.spoken.get(c.id) ?? (this.seen ? 0 : c.said.length);
      for (const text of c.said.slice(said)) voice.say(text);
      this.spoken.set(c.id, c.said.length);
    }
    const state = call?.status === "answered" ? "answered" : call ? "ringing" : "idle";
    const was = e.dataset.state;
    if (this.call?.id !== call?.id) {
      $("output", e).textContent = "";
      $(".said", e).replaceChildren();
    }
    this.call = call;
    e.dataset.state = state;
    $(".call", e).hidden = !call;
    if (!call) return;
    $(".state", e).textContent = word(state === "answered" ? "in_call" : call.status === "ringing" ? "calling" : "call.accepted");
    $(".extension", e).hidden = !call.extension;
    $(".extension b", e).textContent = call.extension ?? "";
    const said = $(".said", e);
    for (const text of call.said.slice(said.childElementCount)) {
      const line = document.createElement("p");
      line.textContent = text;
      said.append(line);
      said.scrollTop = said.scrollHeight;
    }
    said.hidden = $(".keypad", e).hidden = $(".typed", e).hidden = state !== "answered";
    $(".listening", e).hidden = !call.listening;
    const answer = $(".answer", e);
    const hangup = $(".hangup", e);
    answer.hidden = state === "answered";
    answer.disabled = hangup.disabled = call.status === "accepted";
    hangup.textContent = hangup.dataset[state];
    if (state === "answered" && was !== "answered" && e.contains(document.activeElement)) said.focus();
  }

  // showHistory keeps what is there, so that focus and selection stay.
  showHistory(messages, calls) {
    const list = $(".history", this.element);
    const ended = calls.filter((c) => c !== this.call);
    const all = [
      ...messages.map((m) => ({ ...m, kind: "message", lines: [m.text] })),
      ...ended.map((c) => ({ ...c, kind: "call", lines: c.said })),
    ].sort((a, b) => b.at.localeCompare(a.at) || b.id.localeCompare(a.id, "en", { numeric: true }));
    const here = new Map([...list.children].map((li) => [li.dataset.id, li]));
    all.forEach((entry, i) => {
      let li = here.get(entry.id);
      if (!li) {
        li = this.item(entry);
        list.insertBefore(li, list.children[i] ?? null);
      }
      here.delete(entry.id);
      li.dataset.status = entry.status;
      $("b", li).textContent = word(`${entry.kind}.${entry.status}`);
    });
    for (const li of here.values()) li.remove();
    $(".empty", this.element).hidden = all.length > 0 || this.call !== null;
    list.hidden = all.length === 0;
  }

  item({ id, kind, at, lines }) {
    const li = clone("#item");
    li.dataset.id = id;
    li.dataset.kind = kind;
    const time = $("time", li);
    time.dateTime = at;
    time.textContent = new Date(at).toLocaleTimeString(document.documentElement.lang);
    for (const line of lines) {
      const p = document.createElement("p");
      p.textContent = line;
      $(".text", li).append(p);
    }
    const code = kind === "message" && lines[0].match(/(?<![0-9])[0-9]{4,10}(?![0-9])/)?.[0];
    const copy = $(".copy", li);
    if (code && navigator.clipboard) {
      copy.hidden = false;
      copy.onclick = async () => {
        await navigator.clipboard.writeText(code);
        copy.textContent = copy.dataset.copied;
      };
    }
    return li;
  }
}

let stream;

// follow asks for the phones that are on the screen now.
function follow() {
  stream?.close();
  stream = new EventSource(`api/events?${new URLSearchParams([...phones.keys()].map((n) => ["phone", n.slice(1)]))}`);
  stream.onopen = () => { $("#lost").hidden = true; };
  stream.onerror = () => {
    $("#lost").hidden = false;
    // EventSource comes back by itself, but not to a gateway that answers with an error.
    if (stream.readyState === EventSource.CLOSED) setTimeout(follow, 3000);
  };
  stream.addEventListener("phone", ({ data }) => {
    const sight = JSON.parse(data);
    phones.get(sight.number)?.show(sight);
  });
  stream.addEventListener("phones", ({ data }) => {
    const others = JSON.parse(data).filter((n) => !phones.has(n));
    const welcome = others.find((n) => !dismissed.has(n));
    if (welcome && phones.size < 4) add(welcome);
    else offer(others);
  });
}

// offer lists phones in use that are not on the screen.
function offer(numbers) {
  $("#more").hidden = numbers.length === 0;
  $("#more span").replaceChildren(...numbers.map((number) => {
    const button = document.createElement("button");
    button.className = "chip";
    button.textContent = pretty(number);
    button.onclick = () => add(number);
    return button;
  }));
}

function add(number) {
  if (!phones.has(number) && phones.size < most) {
    const phone = new Phone(number);
    phones.set(number, phone);
    dismissed.delete(number);
    $("#phones").append(phone.element);
    changed();
  }
  return phones.get(number);
}

function remove(number) {
  phones.get(number)?.element.remove();
  phones.delete(number);
  dismissed.add(number);
  changed();
  $("#number").focus();
}

function changed() {
  $("#none").hidden = phones.size > 0;
  try { localStorage.setItem(kept, JSON.stringify([...phones.keys()])); } catch { /* it is not remembered, then */ }
  follow();
}

$("#add").onsubmit = (event) => {
  event.preventDefault();
  const input = $("#number");
  const number = readNumber(input.value);
  $("#wrong").hidden = number !== "";
  input.setAttribute("aria-invalid", String(number === ""));
  if (!number) return input.focus();
  input.value = "";
  $("h2", add(number)?.element).focus();
};
$("#sound").onchange = () => { if (!voice.on) voice.hush(); };

setInterval(() => {
  if ([...phones.values()].some((p) => p.call?.status === "ringing")) voice.ring();
}, 3000);

let remembered;
try { remembered = JSON.parse(localStorage.getItem(kept)); } catch { /* nothing is, then */ }
for (const number of (remembered ?? ["+819012345678"]).map(readNumber).filter(Boolean)) {
  const phone = new Phone(number);
  phones.set(number, phone);
  $("#phones").append(phone.element);
}
changed();
