// The examples in TypeScript and in Python, each with the package that was built for it: they give the same template.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { fileURLToPath } from "node:url";

const here = (path) => fileURLToPath(new URL(path, import.meta.url));
// Where the Python that has the wheel is, and what it needs to find it; the linter.
const { PYTHON, PYTHONPATH, CFN_LINT } = process.env;
const { version } = JSON.parse(readFileSync(here("../package.json"), "utf8"));

const scratch = mkdtempSync(join(tmpdir(), "examples-"));
after(() => rmSync(scratch, { recursive: true }));
writeFileSync(join(scratch, "function.zip"), "the function");

function synthesised(command, script, cwd) {
  const outdir = join(cwd, "cdk.out");
  const context = JSON.stringify({ "elasticache-resource:function": join(scratch, "function.zip") });
  execFileSync(command, [script], {
    cwd, stdio: ["ignore", "inherit", "inherit"],
    env: { ...process.env, CDK_OUTDIR: outdir, CDK_CONTEXT_JSON: context, PYTHONPATH, PYTHONDONTWRITEBYTECODE: "1" },
  });
  return join(outdir, "Shop.template.json");
}

let typescript;

test("the example in TypeScript is synthesised with the package as npm gets it", () => {
  const folder = join(scratch, "typescript");
  cpSync(here("../../examples/cdk/typescript"), folder, { recursive: true });
  const modules = join(folder, "node_modules");
  mkdirSync(join(modules, "elasticache-resource-cdk"), { recursive: true });
  const packed = here(`../dist/js/elasticache-resource-cdk@${version}.jsii.tgz`);
  execFileSync("tar", ["xzf", packed, "--strip-components=1", "--directory", join(modules, "elasticache-resource-cdk")]);
  for (const name of ["aws-cdk-lib", "constructs"]) symlinkSync(here(`../node_modules/${name}`), join(modules, name));
  typescript = synthesised(process.execPath, "app.ts", folder);
  // For the test that deploys it on the local AWS.
  cpSync(typescript, here("../dist/example.template.json"));
  const { Resources } = JSON.parse(readFileSync(typescript, "utf8"));
  assert.equal(Object.values(Resources).filter(({ Type }) => Type === "Custom::ElastiCache").length, 1);
  // W3005: dependencies that a reference brings already, which the CDK adds on purpose.
  execFileSync(CFN_LINT, ["--append-rules", here("../../lint"), "--ignore-checks", "W3005", "--template", typescript],
    { stdio: ["ignore", "inherit", "inherit"] });
});

test("the example in Python gives the same template", () => {
  const folder = join(scratch, "python");
  cpSync(here("../../examples/cdk/python"), folder, { recursive: true });
  assert.equal(readFileSync(synthesised(PYTHON, "app.py", folder), "utf8"), readFileSync(typescript, "utf8"));
});

test("the examples name the versions that are tested", () => {
  const { devDependencies } = JSON.parse(readFileSync(here("../package.json"), "utf8"));
  const { dependencies } = JSON.parse(readFileSync(here("../../examples/cdk/typescript/package.json"), "utf8"));
  const python = readFileSync(here("../../examples/cdk/python/requirements.txt"), "utf8");
  for (const name of ["aws-cdk-lib", "constructs"]) {
    assert.equal(dependencies[name], devDependencies[name]);
    assert.ok(python.includes(`${name}==${devDependencies[name]}\n`));
  }
  assert.ok(dependencies["elasticache-resource-cdk"].endsWith(`@${version}.jsii.tgz`));
  assert.ok(python.includes(`elasticache_resource_cdk-${version}-`));
});
