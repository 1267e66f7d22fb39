// Lambda's Runtime API for the handler, in the place of AWS's own client, which compiles a library in C++ when it is
// installed. This one does less, in favour of the handler.

import http from "node:http";

const [host, port] = process.env.AWS_LAMBDA_RUNTIME_API.split(":");
const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });

function call(method, path, body = "") {
  return new Promise((resolve, reject) => {
    const request = http.request({ agent, host, port, method, path: `/2018-06-01/runtime/${path}` }, (response) => {
      const chunks = [];
      response.on("data", (chunk) => chunks.push(chunk)).on("error", reject);
      response.on("end", () => resolve([response.headers["lambda-runtime-aws-request-id"], Buffer.concat(chunks)]));
    });
    request.on("error", reject).end(body);
  });
}

const { handler } = await import(process.argv[2]);
for (;;) {
  const [id, event] = await call("GET", "invocation/next");
  try {
    const result = await handler(JSON.parse(event));
    await call("POST", `invocation/${id}/response`, JSON.stringify(result ?? null));
  } catch (error) {
    await call("POST", `invocation/${id}/error`, JSON.stringify({ errorMessage: String(error) }));
  }
}
