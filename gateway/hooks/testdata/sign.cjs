// Signs as Supabase Auth does, with the npm package "standardwebhooks", and calls
// a hook.
//
// Usage: node sign.cjs FOLDER URL, where FOLDER/node_modules has the package. Each
// line of standard input is {"secrets", "id", "at", "body", "sent"}: sent is the
// body that is sent, if another one than was signed. Each line of standard output
// is the status and the body of the answer.
const { createRequire } = require("node:module");
const { createInterface } = require("node:readline");
const { Webhook } = createRequire(`${process.argv[2]}/package.json`)("standardwebhooks");

(async () => {
  for await (const line of createInterface({ input: process.stdin })) {
    const { secrets, id, at, body, sent } = JSON.parse(line);
    const time = new Date(at * 1000);
    const signatures = secrets.map((secret) => new Webhook(secret.replace("v1,", "")).sign(id, time, body));
    const answer = await fetch(process.argv[3], {
      method: "POST",
      headers: {
        "content-type": "application/json",
        "webhook-id": id,
        "webhook-timestamp": String(at),
        "webhook-signature": signatures.join(", "),
      },
      body: sent || body,
    });
    console.log(answer.status, await answer.text());
  }
})();
