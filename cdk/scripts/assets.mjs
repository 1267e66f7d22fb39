// Writes what the construct takes from the rest of the project: into assets/ the schema of the properties and the policy of
// the function's role, and the licences.
import { copyFileSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { parse } from "yaml";

const at = (path) => fileURLToPath(new URL(path, import.meta.url));

/** Functions of CloudFormation in their long form. */
const functions = ["Sub", "Ref", "GetAtt", "If", "Equals", "Not", "Join"].flatMap((name) => {
  const key = name === "Ref" ? "Ref" : `Fn::${name}`;
  const tag = `!${name}`;
  return [
    { tag, resolve: (text) => ({ [key]: text }) },
    { tag, collection: "seq", resolve: (items) => ({ [key]: items.toJSON() }) },
  ];
});

export function template() {
  return parse(readFileSync(at("../../template.yaml"), "utf8"), { customTags: functions });
}

mkdirSync(at("../assets"), { recursive: true });
const { Properties: role } = template().Resources.ElastiCacheResourceFunctionRole;
const policy = role.Policies.find(({ PolicyName }) => PolicyName === "ElastiCacheResourceFunctionRolePolicy0");
writeFileSync(at("../assets/policy.json"), JSON.stringify(policy.PolicyDocument, null, 1));
copyFileSync(at("../../schema/custom-elasticache.json"), at("../assets/custom-elasticache.json"));
for (const licence of ["LICENSE-APACHE", "LICENSE-MIT"]) {
  copyFileSync(at(`../../${licence}`), at(`../${licence}`));
}
