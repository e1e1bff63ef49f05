import { groups, usual } from "./japan.js";
import { sendOnce } from "./once.js";
import { pick } from "./picker.js";

const number = document.querySelector("#number");
const country = document.querySelector("select#country, input[name=country]");

// ascii is digits and dashes as every keyboard means them.
const ascii = (text) => text.normalize("NFKC").replace(/[‐-―−ーｰ]/g, "-");

// groupOf holds the groups of a Japanese number by its beginning.
const groupOf = new Map(Object.entries(groups).flatMap(([sizes, all]) => all.split(" ").map((beginning) => [beginning, sizes])));

// sizesOf are how many digits are in each group of a number, as far as its
// beginning tells; area codes have two to five digits.
function sizesOf(digits) {
  const rest = digits.slice(1);
  for (let n = rest.length; n > 0; n--) {
    const sizes = groupOf.get(rest.slice(0, n));
    if (sizes !== undefined) return sizes.split("-").map(Number);
  }
  const open = [...groupOf.keys()].some((beginning) => beginning.startsWith(rest));
  return open ? [] : usual.split("-").map(Number);
}

// grouped writes a Japanese number as people there do, while it is typed.
function grouped(text) {
  const digits = text.replace(/-/g, "");
  if (!/^0[1-9]\d{0,9}$/.test(digits)) return text;
  const parts = [];
  let rest = digits;
  for (const size of sizesOf(digits)) {
    if (rest) parts.push(rest.slice(0, size));
    rest = rest.slice(size);
  }
  return parts.join("-") + rest;
}

function tidy(event) {
  if (event.isComposing || number.selectionStart !== number.value.length) return;
  let text = ascii(number.value);
  const removing = event.inputType?.startsWith("delete");
  if (country.value === "JP" && !removing) text = grouped(text);
  if (text !== number.value) number.value = text;
}

number.addEventListener("input", tidy);
number.addEventListener("compositionend", tidy); // after which some browsers have no input event

if (country.matches("select")) pick(country);
sendOnce();
