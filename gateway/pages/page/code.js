import { countDown, follow } from "./live.js";
import { sendOnce } from "./once.js";

const code = document.querySelector("#code");
const digits = Number(code.dataset.digits);

// clean keeps the digits of what was typed or pasted: "１２３ ４５６" is 123456.
const clean = (text) => text.normalize("NFKC").replace(/\D/g, "").slice(0, digits);

code.addEventListener("input", (event) => {
  if (event.isComposing) return;
  const text = clean(code.value);
  if (text !== code.value) code.value = text;
});
code.addEventListener("compositionend", () => { code.value = clean(code.value); });

// WebOTP: the browser reads the code from the message, where it can
// (https://wicg.github.io/web-otp/).
if ("OTPCredential" in window) {
  const over = new AbortController();
  code.form.addEventListener("submit", () => over.abort());
  navigator.credentials.get({ otp: { transport: ["sms"] }, signal: over.signal }).then((otp) => {
    if (!otp?.code) return;
    code.value = clean(otp.code);
    code.form.requestSubmit();
  }).catch(() => {}); // the person types it, or it was aborted
}

follow();
countDown();
sendOnce();
