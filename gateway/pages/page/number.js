import { sendOnce } from "./once.js";
import { pick } from "./picker.js";

const number = document.querySelector("#number");
const country = document.querySelector("select#country, input[name=country]");

// digits are ASCII, whatever keyboard they came from.
const ascii = (text) => text.normalize("NFKC").replace(/[‐-―−ーｰ]/g, "-");

// grouped writes a Japanese number as people there do while it is typed. Area
// codes have two to five digits, so most fixed lines are left as they are.
function grouped(text) {
  const digits = text.replace(/-/g, "");
  if (!/^0\d{1,10}$/.test(digits)) return text;
  let sizes;
  if (/^0[5-9]0/.test(digits)) sizes = [3, 4, 4];
  else if (/^0[36]/.test(digits)) sizes = [2, 4, 4];
  else return text;
  const parts = [];
  let rest = digits;
  for (const size of sizes) {
    if (rest) parts.push(rest.slice(0, size));
    rest = rest.slice(size);
  }
  return parts.join("-") + rest;
}

number.addEventListener("input", (event) => {
  if (event.isComposing || number.selectionStart !== number.value.length) return;
  let text = ascii(number.value);
  const removing = event.inputType?.startsWith("delete");
  if (country.value === "JP" && !removing) text = grouped(text);
  if (text !== number.value) number.value = text;
});
number.addEventListener("compositionend", () => { number.value = ascii(number.value); });

if (country.matches("select")) pick(country);
sendOnce();
