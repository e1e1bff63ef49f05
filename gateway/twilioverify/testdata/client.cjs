// Twilio's library for Node, driven by the test: one JSON request a line on
// standard input, one JSON answer a line on standard output.
//
// usage: node client.cjs FOLDER BASE ACCOUNT USER PASSWORD SERVICE
const [folder, base, account, user, password, service] = process.argv.slice(2);
const twilio = require(require.resolve("twilio", { paths: [folder] }));

const client = twilio(user, password, { accountSid: account });
client.verify.baseUrl = base;
const v2 = client.verify.v2;
const mine = v2.services(service);

const operations = {
  create: (p) => mine.verifications.create(p),
  fetch: (p) => mine.verifications(p.sid).fetch(),
  update: (p) => mine.verifications(p.sid).update({ status: p.status }),
  check: (p) => mine.verificationChecks.create(p),
  attempts: (p) => v2.verificationAttempts.list(dates(p)),
  attempt: (p) => v2.verificationAttempts(p.sid).fetch(),
  summary: (p) => v2.verificationAttemptsSummary().fetch(dates(p)),
  services: (p) => v2.services.list(p),
  service: () => mine.fetch(),
  createService: (p) => v2.services.create(p),
  updateService: (p) => mine.update(p),
};

// dates makes Date objects of what JSON can't hold.
function dates(p) {
  for (const name of ["dateCreatedAfter", "dateCreatedBefore"]) {
    if (p[name]) p[name] = new Date(p[name]);
  }
  return p;
}

// types says what each field became, since JSON makes a string of a Date.
function types(o) {
  const t = {};
  for (const [name, value] of Object.entries(o.toJSON())) {
    t[name] = value === null ? "null" : value instanceof Date ? "Date" : Array.isArray(value) ? "Array" : typeof value;
  }
  return t;
}

require("readline")
  .createInterface({ input: process.stdin })
  .on("line", async (line) => {
    const { op, ...params } = JSON.parse(line);
    let answer;
    try {
      const result = await operations[op](params);
      const list = Array.isArray(result) ? result : [result];
      answer = { results: list.map((r) => r.toJSON()), types: list.map(types) };
    } catch (e) {
      answer = { error: { status: e.status, code: e.code, message: e.message, moreInfo: e.moreInfo } };
    }
    process.stdout.write(JSON.stringify(answer) + "\n");
  });
