// Drives the language server that editors run with schema/template.json, over its protocol.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";

const here = (path) => fileURLToPath(new URL(path, import.meta.url));

/** The settings that the guide gives. */
function settings() {
  const guide = readFileSync(here("../docs/checks.md"), "utf8");
  const [, block] = guide.match(/```json\n(\{\s*"yaml\.schemas"[^`]*)```/);
  const { "yaml.schemas": schemas, "yaml.customTags": customTags } = JSON.parse(block);
  assert.deepEqual(Object.keys(schemas), ["schema/template.json"]);
  return { schemas: { [new URL("template.json", import.meta.url)]: "*.yaml" }, customTags };
}

/** What is still to be answered, by the id of the request; what came without one. */
const answers = new Map();
const diagnostics = new Map();
let server;
let requests = 0;

function send(message) {
  const body = JSON.stringify({ jsonrpc: "2.0", ...message });
  server.stdin.write(`Content-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`);
}

function request(method, params) {
  const id = ++requests;
  send({ id, method, params });
  return new Promise((resolve, reject) => answers.set(id, { resolve, reject }));
}

function received(message, yaml) {
  if (message.method === "workspace/configuration") {
    const result = message.params.items.map(({ section }) => (section === "yaml" ? yaml : null));
    send({ id: message.id, result });
  } else if (message.method === "textDocument/publishDiagnostics") {
    diagnostics.get(message.params.uri)?.(message.params.diagnostics);
  } else if (message.method && message.id !== undefined) {
    send({ id: message.id, result: null });
  } else if (answers.has(message.id)) {
    const { resolve, reject } = answers.get(message.id);
    answers.delete(message.id);
    message.error ? reject(new Error(message.error.message)) : resolve(message.result);
  }
}

before(async () => {
  const yaml = { ...settings(), validate: true, hover: true, completion: true, schemaStore: { enable: false } };
  server = spawn(process.execPath, [here("node_modules/yaml-language-server/bin/yaml-language-server"), "--stdio"], {
    stdio: ["pipe", "pipe", "inherit"],
  });
  let buffered = Buffer.alloc(0);
  server.stdout.on("data", (data) => {
    buffered = Buffer.concat([buffered, data]);
    for (;;) {
      const head = buffered.indexOf("\r\n\r\n");
      if (head < 0) return;
      const length = Number(/Content-Length: (\d+)/i.exec(buffered.subarray(0, head))[1]);
      if (buffered.length < head + 4 + length) return;
      const body = buffered.subarray(head + 4, head + 4 + length).toString();
      buffered = buffered.subarray(head + 4 + length);
      received(JSON.parse(body), yaml);
    }
  });
  const capabilities = {
    workspace: { configuration: true, didChangeConfiguration: { dynamicRegistration: false } },
    textDocument: { completion: { completionItem: { documentationFormat: ["markdown"] } }, hover: {} },
  };
  await request("initialize", { processId: process.pid, rootUri: null, capabilities });
  send({ method: "initialized", params: {} });
  send({ method: "workspace/didChangeConfiguration", params: { settings: { yaml } } });
});

after(() => server.kill());

let documents = 0;

/** Opens a text and says what the server finds wrong with it. */
async function open(text) {
  const uri = `file:///templates/${++documents}.yaml`;
  const found = new Promise((resolve) => diagnostics.set(uri, resolve));
  send({ method: "textDocument/didOpen", params: { textDocument: { uri, languageId: "yaml", version: 1, text } } });
  return { uri, text, found: await found };
}

/** The place behind the first occurrence of `words`. */
function behind(document, words) {
  const lines = document.text.slice(0, document.text.indexOf(words) + words.length).split("\n");
  return { textDocument: { uri: document.uri }, position: { line: lines.length - 1, character: lines.at(-1).length } };
}

async function completions(document, words) {
  const { items } = await request("textDocument/completion", behind(document, words));
  return items;
}

const RIGHT = `Parameters:
  SubnetIds:
    Type: List<AWS::EC2::Subnet::Id>
Resources:
  Topic:
    Type: AWS::SNS::Topic
    Properties:
      Anything: goes
  Cache:
    Type: Custom::ElastiCache
    DeletionPolicy: Retain
    Properties:
      ServiceToken: !ImportValue elasticache-resource-ServiceToken
      Env: !Ref Environment
      ProjectId: !Sub "\${AWS::StackName}-cache"
      Engine: valkey
      EngineVersion: 8.2
      VpcId: !GetAtt Network.VpcId
      SubnetIds: !Ref SubnetIds
      AllowedSecurityGroupIds: !Split [",", !ImportValue groups]
      AllowedCidrBlocks:
        - 10.0.0.0/16
        - !If [IsLarge, 10.1.0.0/16, !Ref AWS::NoValue]
        - Fn::ImportValue: block
      SecurityGroupIds:
        Fn::Split: [",", !ImportValue more]
      NumCacheNodes: !FindInMap [Sizes, !Ref Environment, Nodes]
      AutomaticFailoverEnabled: !Ref IsLarge
      MultiAzEnabled: !If [IsLarge, true, false]
      Port: "6380"
      Parameters: !If
        - IsLarge
        - timeout: 10
        - !Ref AWS::NoValue
      Tags: !If
        - IsLarge
        - - Key: team
            Value: !Ref Team
          - Key: size
            Value: !If [IsLarge, large, small]
        - !Ref AWS::NoValue
      UserGroupIds:
        - !If [IsLarge, all, !Ref AWS::NoValue]
      LogDelivery:
        - LogType: !If [IsLarge, slow-log, engine-log]
          DestinationType: cloudwatch-logs
          Destination: !Ref Logs
        - !If [IsLarge, {LogType: slow-log, DestinationType: cloudwatch-logs, Destination: slow}, !Ref AWS::NoValue]
      ReplacementPolicy: !Ref Policy
`;

test("a template with functions everywhere is clean", async () => {
  assert.deepEqual((await open(RIGHT)).found, []);
});

for (const name of ["production", "rotation", "environments", "custom-parameters"]) {
  test(`the example ${name} is clean`, async () => {
    assert.deepEqual((await open(readFileSync(here(`../examples/${name}.yaml`), "utf8"))).found, []);
  });
}

for (const [right, wrong, there, said] of [
  ["EngineVersion: 8.2", "EngineVersio: 8.2", "EngineVersio", /EngineVersio is not allowed/],
  ["      ProjectId: !Sub \"${AWS::StackName}-cache\"\n", "", "Properties", /Missing property "ProjectId"/],
  ["Engine: valkey", "Engine: memcached", "memcached", /"valkey", "redis"/],
  ["SubnetIds: !Ref SubnetIds", "SubnetIds: subnet-1", "subnet-1", /./],
  ["MultiAzEnabled: !If [IsLarge, true, false]", "MultiAzEnabled: sometimes", "sometimes", /true, false/],
  ['Port: "6380"', "Port: 70000", "70000", /65535/],
  [RIGHT.slice(RIGHT.indexOf("Tags: !If"), RIGHT.indexOf("      UserGroupIds")), "Tags:\n        - Kay: team\n", "Kay", /Kay/],
]) {
  test(`${wrong.trim() || `without ${right.trim()}`} is found`, async () => {
    const document = await open(RIGHT.replace(right, wrong));
    assert.equal(document.found.length, 1, JSON.stringify(document.found));
    const [{ message, range }] = document.found;
    assert.match(message, said);
    assert.match(document.text.split("\n")[range.start.line], new RegExp(there));
  });
}

test("the names of properties are completed", async () => {
  const document = await open(RIGHT.replace("Engine: valkey", "AutoM"));
  const labels = (await completions(document, "AutoM")).map(({ label }) => label);
  assert.ok(labels.includes("AutoMinorVersionUpgrade"), labels.join());
  assert.ok(!labels.includes("MultiAzEnabled"), "what is there is not offered again");
});

test("the words of a property are completed", async () => {
  const document = await open(RIGHT.replace("ReplacementPolicy: !Ref Policy", "ReplacementPolicy: "));
  const labels = (await completions(document, "ReplacementPolicy: ")).map(({ label }) => label);
  for (const word of ["Refuse", "Snapshot", "Empty"]) assert.ok(labels.includes(word), labels.join());
});

test("a property tells what it is for", async () => {
  const document = await open(RIGHT);
  for (const [property, meaning] of [
    ["MultiAz", "Needs failover and subnets in two zones"],
    ["EngineV", "As ElastiCache offers it"],
    ["SubnetI", "Subnets of the VPC"],
    ["ReplacementP", "What to do about a change that AWS cannot make in place"],
  ]) {
    const { contents } = await request("textDocument/hover", behind(document, `      ${property}`));
    assert.ok(contents.value.includes(meaning), contents.value);
  }
});

test("other resources are left alone", async () => {
  const document = await open("Resources:\n  Bucket:\n    Type: AWS::S3::Bucket\n    Properties:\n      Env: 1\n");
  assert.deepEqual(document.found, []);
});
