// Verifies requests with the npm package "standardwebhooks".
//
// Usage: node verify.cjs FOLDER, where FOLDER/node_modules has the package.
// Each line of standard input is {"secret", "headers", "body"}; each line of
// standard output is the verified payload's type, or "refused: " and why.
const { createRequire } = require("node:module");
const { createInterface } = require("node:readline");
const { Webhook } = createRequire(`${process.argv[2]}/package.json`)("standardwebhooks");

createInterface({ input: process.stdin }).on("line", (line) => {
  const { secret, headers, body } = JSON.parse(line);
  try {
    console.log(new Webhook(secret).verify(body, headers).type);
  } catch (e) {
    console.log(`refused: ${e.message}`);
  }
});
