// Calls the endpoint as Entra ID does, with the npm package "jose".
//
// Usage: node caller.mjs FOLDER, where FOLDER/node_modules has the package. It
// makes the tenant's signing key and prints its JWK Set. Then each line of
// standard input is {"url", "certificate", "kid", "enc", "headers", "claims",
// "envelope", "context"}: the context is encrypted to the certificate, and put
// into the envelope. Each line of standard output is {"status", "body"}.
import { createRequire } from "node:module";
import { createInterface } from "node:readline";
import { pathToFileURL } from "node:url";

const at = createRequire(`${process.argv[2]}/package.json`).resolve("jose");
const jose = await import(pathToFileURL(at));

const { publicKey, privateKey } = await jose.generateKeyPair("RS256");
const kid = await jose.calculateJwkThumbprint(await jose.exportJWK(publicKey));
const jwk = { ...(await jose.exportJWK(publicKey)), kid, use: "sig", issuer: "https://login.microsoftonline.com/{tenantid}/v2.0" };
console.log(JSON.stringify({ keys: [jwk] }));

for await (const line of createInterface({ input: process.stdin })) {
  const q = JSON.parse(line);
  const token = await new jose.SignJWT(q.claims)
    .setProtectedHeader({ alg: "RS256", typ: "JWT", kid, x5t: kid })
    .setIssuedAt().setNotBefore("0s").setExpirationTime("75m")
    .sign(privateKey);
  const encryptedDeliveryContext = await new jose.CompactEncrypt(new TextEncoder().encode(JSON.stringify(q.context)))
    .setProtectedHeader({ alg: "RSA-OAEP-256", enc: q.enc, kid: q.kid })
    .encrypt(await jose.importX509(q.certificate, "RSA-OAEP-256"));
  const response = await fetch(q.url, {
    method: "POST",
    headers: {
      "content-type": "application/json", "user-agent": "Microsoft-AzureMFA-SAS-CYOT/1.0",
      authorization: `Bearer ${token}`, ...q.headers,
    },
    body: JSON.stringify({ ...q.envelope, encryptedDeliveryContext }),
  });
  console.log(JSON.stringify({ status: response.status, body: await response.json() }));
}
