import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { problems } from "../lib/rules.js";

const rest = { Env: "dev", ProjectId: "app", VpcId: "vpc-1", SubnetIds: ["subnet-1", "subnet-2"] };
const cases = JSON.parse(readFileSync(new URL("refusals.json", import.meta.url), "utf8"));

for (const { properties, problems: said } of cases) {
  test(`as the function: ${JSON.stringify(properties).slice(0, 90)}`, () => {
    assert.deepEqual(problems({ ...rest, ...properties }), said);
  });
}

test("what only the deployment knows is not judged", () => {
  const unknown = { Ref: "Something" };
  for (const { properties } of cases) {
    const open = Object.fromEntries(Object.keys(properties).map((name) => [name, unknown]));
    assert.deepEqual(problems({ ...rest, ...open }), []);
  }
});
