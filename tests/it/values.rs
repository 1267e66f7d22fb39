//! Blanks, what is not set, and what nobody resolved: one rule each, for every property there is. A property that is in no
//! table here or in `properties` fails a test.

use std::collections::BTreeSet;

use elasticache_resource::preview;
use elasticache_resource::properties::{Kind, Properties};
use serde_json::{Map, Value, json};
use simulator::cloudformation::Answer;

use crate::harness::{CACHE, Setup, VPC, logged, quick_start, with};
use crate::properties::{ELSEWHERE, account, effects};
use crate::reference::{defect, written};

/// Values of the properties that have no row in [`effects`].
fn others() -> Vec<(&'static str, Value)> {
    let token = json!({"AuthTokenEnabled": true});
    vec![
        ("ServiceToken", json!({})),
        ("ServiceTimeout", json!({"ServiceTimeout": 3000})),
        ("FinalSnapshotIdentifier", json!({"FinalSnapshotIdentifier": "last"})),
        ("SnapshotName", json!({"SnapshotName": "nightly"})),
        ("DeletionProtection", json!({"DeletionProtection": true})),
        ("MaxMonthlyCost", json!({"MaxMonthlyCost": 99.5})),
        ("CountPolicy", json!({"CountPolicy": "Minimum", "NumCacheNodes": 2})),
        ("ReplacementPolicy", json!({"ReplacementPolicy": "Snapshot"})),
        ("ApplyImmediately", json!({"ApplyImmediately": false})),
        ("AuthTokenVersion", with(token.clone(), json!({"AuthTokenVersion": 2}))),
        ("AuthTokenGraceMinutes", with(token, json!({"AuthTokenGraceMinutes": 5}))),
    ]
}

const TOPIC: &str = "arn:aws:sns:us-east-1:123456789012:operations";

/// Several items and deeper places than the rows have.
fn deep() -> Vec<(&'static str, Value)> {
    vec![
        (
            "NodeGroupConfiguration",
            json!({"NodeGroupConfiguration": [
                {"NodeGroupId": "1", "Slots": "0-99,200-8191", "ReplicaCount": 1, "PrimaryAvailabilityZone": "us-east-1a",
                    "ReplicaAvailabilityZones": ["us-east-1b"]},
                {"NodeGroupId": "0002", "Slots": "8192-16383,100-199"},
            ]}),
        ),
        ("Parameters", json!({"Parameters": {"timeout": 30, "tcp-keepalive": "100", "activedefrag": "yes"}})),
        ("Tags", json!({"Tags": [{"Key": "a", "Value": "b c"}, {"Key": "empty"}, {"Key": "flag", "Value": true}]})),
        ("Alarms", json!({"Alarms": {"Memory": 75.5, "Cpu": 0, "Swap": "100", "OkActions": [TOPIC, TOPIC]}})),
        ("AllowedCidrBlocks", json!({"AllowedCidrBlocks": ["10.0.0.0/8", "fd00::/64", "192.168.0.0/16"]})),
    ]
}

/// Every property with a value that stands, on top of the quick start.
fn samples() -> Vec<(&'static str, Value)> {
    let rows = effects().into_iter().map(|(property, changes, ..)| (property, changes));
    rows.chain(others()).chain(deep()).collect()
}

fn names() -> BTreeSet<String> {
    Properties::fields().into_iter().map(|field| field.name).collect()
}

#[test]
fn the_samples_have_every_property() {
    let sampled: BTreeSet<String> = samples().into_iter().map(|(property, _)| property.to_owned()).collect();
    assert_eq!(sampled, names().into_iter().filter(|name| !name.contains(['[', '.'])).collect());
    assert_eq!(others().len(), ELSEWHERE.len());
}

/// Whatever a person, a parameter or a document may have put around a value.
const BLANKS: [(&str, &str); 5] =
    [(" ", ""), ("", "\n"), ("\n    ", "\r\n"), ("\t", "\u{a0}\u{3000}"), ("\u{feff}", "\u{200b}")];

/// The same with blanks around every text, numbers and booleans as text, and around every name.
fn padded(value: &Value, (before, after): (&str, &str)) -> Value {
    let pad = |text: &str| format!("{before}{text}{after}");
    match value {
        Value::Null => Value::Null,
        Value::Bool(flag) => pad(&flag.to_string()).into(),
        Value::Number(number) => pad(&number.to_string()).into(),
        Value::String(text) => pad(text).into(),
        Value::Array(items) => items.iter().map(|item| padded(item, (before, after))).collect(),
        Value::Object(map) => map.iter().map(|(name, value)| (pad(name), padded(value, (before, after)))).collect(),
    }
}

/// What says nothing.
fn nothings() -> Vec<Value> {
    vec![
        json!(null),
        json!(""),
        json!(" \n\t\u{a0}"),
        json!([]),
        json!([""]),
        json!([null]),
        json!(["  ", null, ""]),
        json!({}),
        json!({"a": null, "b": ""}),
        json!([[]]),
    ]
}

/// The same with everything that is not set given as `nothing`: properties, entries of maps and of maps in lists, items.
fn hollowed(properties: &Value, nothing: &Value) -> Value {
    let mut hollowed = properties.clone();
    let map = hollowed.as_object_mut().unwrap();
    fill(map, "", nothing);
    for field in Properties::fields() {
        let Some(value) = map.get_mut(&field.name) else { continue };
        match (&field.kind, value) {
            (Kind::Map, Value::Object(entries)) => {
                entries.entry("maxmemory-policy").or_insert(nothing.clone());
            }
            (Kind::Object, Value::Object(entries)) => fill(entries, &format!("{}.", field.name), nothing),
            (Kind::Strings, Value::Array(items)) => surround(items, nothing),
            (Kind::Objects, Value::Array(items)) => {
                for item in items.iter_mut().filter_map(Value::as_object_mut) {
                    fill(item, &format!("{}[].", field.name), nothing);
                    for list in item.values_mut().filter_map(Value::as_array_mut).filter(|list| !list.is_empty()) {
                        surround(list, nothing);
                    }
                }
                if !nothing.is_object() || field.name != "NodeGroupConfiguration" {
                    surround(items, nothing);
                }
            }
            _ => {}
        }
    }
    hollowed
}

fn surround(items: &mut Vec<Value>, nothing: &Value) {
    if !items.iter().all(|item| item == nothing) {
        items.insert(0, nothing.clone());
        items.push(nothing.clone());
    }
}

fn fill(map: &mut Map<String, Value>, prefix: &str, nothing: &Value) {
    for name in names() {
        let Some(name) = name.strip_prefix(prefix).filter(|name| !name.contains(['[', '.'])) else { continue };
        // An empty map asks for the alarms with the default thresholds.
        if name != "ServiceToken" && !(name == "Alarms" && nothing.is_object()) {
            map.entry(name).or_insert(nothing.clone());
        }
    }
}

/// The same with every list of texts as one text with commas: as its only item, and in place of the list where it has
/// several.
fn joined(value: &Value, whole: bool) -> Value {
    match value {
        Value::Array(items) if items.iter().all(Value::is_string) && !items.is_empty() => {
            let texts: Vec<&str> = items.iter().filter_map(Value::as_str).collect();
            let text = texts.join(" ,\n ");
            if whole && texts.len() > 1 { text.into() } else { json!([text, ","]) }
        }
        Value::Array(items) => items.iter().map(|item| joined(item, whole)).collect(),
        Value::Object(map) => map.iter().map(|(name, value)| (name.clone(), joined(value, whole))).collect(),
        other => other.clone(),
    }
}

/// Other spellings of the same properties, and what is special about each.
fn spellings(plain: &Value) -> Vec<(String, Value)> {
    let mut spellings: Vec<(String, Value)> =
        BLANKS.iter().map(|around| (format!("blanks {around:?}"), padded(plain, *around))).collect();
    spellings.extend(nothings().iter().map(|nothing| (format!("not set as {nothing}"), hollowed(plain, nothing))));
    spellings.push(("commas in an item".to_owned(), joined(plain, false)));
    spellings.push(("commas in place of a list".to_owned(), joined(plain, true)));
    let everything = padded(&hollowed(&joined(plain, true), &json!([" "])), (" \n", "\t"));
    spellings.push(("everything at once".to_owned(), everything));
    spellings
}

fn with_arn(changes: &Value, arn: &str) -> Value {
    let text = with(quick_start(), changes.clone()).to_string().replace("\"ARN\"", &format!("\"{arn}\""));
    serde_json::from_str(&text).unwrap()
}

/// What the two spellings would change about each other.
fn difference(old: &Value, new: &Value) -> Option<String> {
    match preview::update(old, new) {
        Ok(forecast) if !forecast.is_refused() && forecast.is_empty() => None,
        Ok(forecast) => Some(forecast.to_string()),
        Err(problems) => Some(format!("the old ones could not stand: {problems:?}")),
    }
}

/// However the same is spelt, it is the same, as the new properties and as the old ones.
#[test]
fn every_property_means_the_same_in_every_spelling() {
    let mut wrong = Vec::new();
    for (property, changes) in samples() {
        let plain = with_arn(&changes, "arn:aws:secretsmanager:us-east-1:123456789012:secret:elasticache/x-AbCdEf");
        for (what, spelt) in spellings(&plain) {
            for (side, old, new) in [("new", &plain, &spelt), ("old", &spelt, &plain)] {
                if let Some(difference) = difference(old, new) {
                    wrong.push(format!("{property}, {what}, {side}: {difference} for {spelt}"));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{} are wrong:\n{}", wrong.len(), wrong.join("\n"));
}

/// The same over the function: what is made of the one spelling is what the plain one wants.
#[tokio::test(start_paused = true)]
async fn no_spelling_makes_a_difference_to_what_is_made() {
    let mut wrong = Vec::new();
    for (index, (property, changes)) in samples().into_iter().enumerate() {
        if property == "SnapshotName" {
            continue; // There is none to restore.
        }
        let (setup, arn) = account();
        let plain = with_arn(&changes, &arn);
        let all = spellings(&plain);
        let (what, made_of) = &all[index % all.len()];
        let created = setup.stack.send("Create", CACHE, json!({"ResourceProperties": made_of})).await.unwrap();
        if !created.is_success() {
            wrong.push(format!("{property}, {what}: {}", created.reason()));
            continue;
        }
        let (_, spelt) = &all[(index + 7) % all.len()];
        for (old, new) in [(made_of, &plain), (&plain, spelt), (spelt, made_of)] {
            let before = setup.write_names().len();
            let overrides = json!({"PhysicalResourceId": created.physical_id, "ResourceProperties": new, "OldResourceProperties": old});
            let answer = setup.stack.send("Update", CACHE, overrides).await.unwrap();
            let writes = setup.write_names().split_off(before);
            if !answer.is_success() || answer.physical_id != created.physical_id || !writes.is_empty() {
                wrong.push(format!("{property}, {what}: {writes:?} {} from {old} to {new}", answer.reason()));
            }
        }
    }
    assert!(wrong.is_empty(), "{} are wrong:\n{}", wrong.len(), wrong.join("\n"));
}

/// An editor that checks by the schema lets through what is read. Names it wants as they are.
#[test]
fn the_schema_accepts_what_is_read() {
    let schema = written();
    let mut wrong = Vec::new();
    for (property, changes) in samples() {
        let plain = with(with_arn(&changes, "arn"), json!({"ServiceToken": "arn"}));
        let named_as_they_are = |mut value: Value| {
            let map = value.as_object_mut().unwrap();
            for item in map.values_mut() {
                *item = padded(item, (" \n", "\t"));
            }
            value
        };
        let nothings = [json!(null), json!(""), json!(" \n"), json!({})];
        let mut all: Vec<Value> = nothings.iter().map(|nothing| hollowed(&plain, nothing)).collect();
        for list in [json!([]), json!([""]), json!([null])] {
            let mut filled = plain.clone();
            fill(filled.as_object_mut().unwrap(), "", &list);
            all.push(filled);
        }
        all.extend([joined(&plain, false), joined(&plain, true)]);
        if !plain.as_object().unwrap().values().any(|value| value.to_string().contains('{')) {
            all.push(named_as_they_are(plain.clone()));
        }
        for value in all {
            wrong.extend(
                defect(&schema, &value, &schema, "it").map(|defect| format!("{property}: {defect} in {value}")),
            );
        }
    }
    assert!(wrong.is_empty(), "{} are wrong:\n{}", wrong.len(), wrong.join("\n"));
}

/// A resource with these properties, and what a Delete is answered that spells them another way.
async fn deleted_as(plain: Value, spelt: &Value) -> (Setup, Answer) {
    let setup = Setup::new();
    let created = setup.created(plain).await;
    let overrides = json!({"PhysicalResourceId": created.answers[0].physical_id, "ResourceProperties": spelt});
    let answer = setup.stack.send("Delete", CACHE, overrides).await.unwrap();
    (setup, answer)
}

/// What a Delete reads of its properties it reads by the same rules.
#[tokio::test(start_paused = true)]
async fn a_delete_reads_its_properties_by_the_same_rules() {
    let kept = with(quick_start(), json!({"DeletionProtection": true}));
    for (what, spelt) in spellings(&kept) {
        let (_, answer) = deleted_as(kept.clone(), &spelt).await;
        assert!(!answer.is_success() && answer.reason().contains("DeletionProtection"), "{what}: {spelt}");
    }
    let last = json!({"FinalSnapshotIdentifier": "last", "AuthTokenEnabled": true, "SecretRecoveryWindowInDays": 30,
        "SecretName": "elasticache/own"});
    let last = with(quick_start(), last);
    for (what, spelt) in spellings(&last) {
        let (setup, answer) = deleted_as(last.clone(), &spelt).await;
        assert!(answer.is_success(), "{what}: {}", answer.reason());
        let journal = setup.writes();
        let find = |action: &str| journal.iter().find(|call| call.action == action).unwrap().params.clone();
        let snapshot = find("DeleteReplicationGroup")["FinalSnapshotIdentifier"].as_str().unwrap().to_owned();
        assert!(snapshot.starts_with("last-"), "{what}: {snapshot}");
        assert_eq!(find("DeleteSecret")["RecoveryWindowInDays"], 30, "{what}");
    }
    for nothing in nothings() {
        let (setup, answer) = deleted_as(quick_start(), &hollowed(&quick_start(), &nothing)).await;
        assert!(answer.is_success());
        let deletion = setup.writes().into_iter().find(|call| call.action == "DeleteReplicationGroup").unwrap();
        assert_eq!(deletion.params.get("FinalSnapshotIdentifier"), None, "{nothing}");
        setup.assert_nothing_left();
    }
}

/// Where CloudFormation's own time-out stands, and with what around it, makes no difference.
#[tokio::test(start_paused = true)]
async fn the_time_out_counts_with_blanks_and_next_to_one_that_is_not_set() {
    let with_timeout = |value: Value| with(quick_start(), json!({"ServiceTimeout": value}));
    let mut hollow = quick_start();
    hollow["ServiceTimeout"] = json!(" ");
    for overrides in [
        json!({"ResourceProperties": with_timeout(json!(" 100\n"))}),
        json!({"ResourceProperties": with_timeout(json!("\u{a0}100\u{200b}"))}),
        json!({"ResourceProperties": quick_start(), "ServiceTimeout": " 100 "}),
        json!({"ResourceProperties": hollow, "ServiceTimeout": "100"}),
    ] {
        let setup = Setup::new();
        let started = tokio::time::Instant::now();
        let answer = setup.stack.send("Create", CACHE, overrides.clone()).await.unwrap();
        assert!(!answer.is_success(), "{overrides}");
        let (elapsed, reason) = (started.elapsed().as_secs(), answer.reason());
        assert!((70..=90).contains(&elapsed), "{overrides}: {elapsed} s, {reason}");
    }
}

/// What may arrive because nothing replaced it, and what is said about it.
fn unresolved() -> Vec<(Value, &'static str)> {
    vec![
        (
            json!("{{resolve:secretsmanager:hunter2hunter2:SecretString:t}}"),
            "dynamic reference that CloudFormation has not",
        ),
        (json!("{{resolve:ssm-secure:hunter2hunter2:1}}"), "in no custom resource"),
        (json!("{{ resolve:ssm:hunter2hunter2"), "dynamic reference"),
        (json!("${Token[hunter2hunter2.42]}"), "token of the CDK"),
        (json!("#{Token[hunter2hunter2.42]}"), "token of the CDK"),
        (json!("-1.8881545897087626e+289"), "token of the CDK"),
        (json!("${AWS::StackName}hunter2hunter2"), "only Fn::Sub replaces"),
        (json!("hunter2hunter2${Name}"), "only Fn::Sub replaces"),
        (json!("{{ hunter2hunter2 }}"), "nobody has filled in"),
        (json!("!Ref hunter2hunter2"), "function of CloudFormation as text"),
        (json!("AWS::NoValue"), "pseudo parameter"),
        (json!({"Ref": "hunter2hunter2"}), "the function Ref, which nobody has carried out"),
        (json!({"Fn::GetAtt": ["hunter2hunter2", "Arn"]}), "the function Fn::GetAtt"),
        (json!({"Fn::If": ["c", "hunter2hunter2", {"Ref": "AWS::NoValue"}]}), "the function Fn::If"),
    ]
}

/// Every place that takes a value, as a property's name, the name in the message, and a map that has `value` there.
fn places(value: &Value) -> Vec<(String, Value)> {
    let mut places = Vec::new();
    for field in Properties::fields().into_iter().filter(|field| field.name != "ServiceToken") {
        let one = |name: &str, value: Value| Value::Object(Map::from_iter([(name.to_owned(), value)]));
        let at = |name: &str, value: Value| match name.split_once('.') {
            Some((map, part)) => one(map, one(part, value)),
            None => one(name, value),
        };
        if let Some((list, part)) = field.name.split_once("[].") {
            let item = one(part, if field.kind == Kind::Strings { json!([value]) } else { value.clone() });
            let name = format!("{list}[1].{part}{}", if field.kind == Kind::Strings { "[0]" } else { "" });
            let other = if list == "NodeGroupConfiguration" { json!({"ReplicaCount": 0}) } else { json!(null) };
            places.push((name, one(list, json!([other, item]))));
            continue;
        }
        places.push((field.name.clone(), at(&field.name, value.clone())));
        match field.kind {
            Kind::Strings => places.push((format!("{}[1]", field.name), at(&field.name, json!(["", value])))),
            Kind::Map => places.push((format!("{}.timeout", field.name), at(&field.name, json!({"timeout": value})))),
            Kind::Objects => places.push((format!("{}[0]", field.name), at(&field.name, json!([value])))),
            _ => {}
        }
    }
    places
}

/// By name, with the reason and the fix, before the first write; and never what stands there where it may be a secret.
#[tokio::test(start_paused = true)]
async fn what_nobody_resolved_is_named_as_what_it_is() {
    let setup = Setup::new();
    let (wrong, log) = logged(async {
        let mut wrong = Vec::new();
        for (value, rule) in unresolved() {
            for (name, changes) in places(&value) {
                let properties = with(quick_start(), changes.clone());
                let answer =
                    setup.stack.send("Create", CACHE, json!({"ResourceProperties": properties})).await.unwrap();
                let reason = answer.reason();
                let is_secret = name.starts_with("AuthToken") || name.starts_with("Secret");
                let (_, listed) = reason.split_once(" with the properties: ").unwrap_or_default();
                let about_it: Vec<&str> = listed
                    .split(". ")
                    .filter(|problem| {
                        problem.strip_prefix(&name).is_some_and(|rest| rest.starts_with(':') || rest.starts_with(" ("))
                    })
                    .collect();
                let said = matches!(about_it[..], [one] if one.contains(rule) && one.contains("; "));
                if answer.is_success() || !said || is_secret && reason.contains("hunter2") {
                    wrong.push(format!("{name} as {value}: {reason}"));
                }
            }
        }
        wrong
    })
    .await;
    assert!(wrong.is_empty(), "{} are wrong:\n{}", wrong.len(), wrong.join("\n"));
    assert_eq!(setup.write_names(), Vec::<String>::new());
    let about_the_token = |line: &&str| line.contains("AuthToken") && line.contains("hunter2");
    assert_eq!(log.lines().find(about_the_token), None);
}

#[tokio::test(start_paused = true)]
async fn names_that_are_functions_or_given_twice_are_refused() {
    for (changes, problem) in [
        (json!({"Fn::Transform": {"Name": "x"}}), "Fn::Transform: holds the function Fn::Transform"),
        (json!({"Parameters": {"${Name}": "1"}}), "Parameters.${Name}: holds ${...}"),
        (json!({"Port": 1, " Port": 2}), " Port: is given twice"),
        (json!({"Parameters": {"timeout": 1, "timeout ": 2}}), "Parameters.timeout : is given twice"),
        (json!({"Tags": [{"Key": "a", "Key ": "b"}]}), "Tags[0].Key : is given twice"),
    ] {
        let setup = Setup::new();
        let overrides = json!({"ResourceProperties": with(quick_start(), changes)});
        let answer = setup.stack.send("Create", CACHE, overrides).await.unwrap();
        assert!(answer.reason().contains(problem), "{problem} in {}", answer.reason());
    }
}

/// A name that there is not is wrong with or without a value; a template may give it one later.
#[tokio::test(start_paused = true)]
async fn a_misspelt_name_is_named_even_where_it_is_not_set() {
    for nothing in nothings() {
        let setup = Setup::new();
        let log =
            json!({"LogType": "slow-log", "DestinationType": "cloudwatch-logs", "Destination": "/x", "Fomat": nothing});
        let changes = json!({"NodTypes": nothing, " Nonsense": nothing, "LogDelivery": [log]});
        let mut properties = quick_start();
        properties.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
        let answer = setup.stack.send("Create", CACHE, json!({"ResourceProperties": properties})).await.unwrap();
        for problem in ["NodTypes: is not a property", "Nonsense: is not a property", "LogDelivery[0].Fomat: is not"] {
            assert!(answer.reason().contains(problem), "{problem} as {nothing} in {}", answer.reason());
        }
    }
}

/// A name with what nobody sees in it is found nowhere; the message says what to look for.
#[tokio::test(start_paused = true)]
async fn characters_that_show_nothing_are_named_inside_of_values() {
    for (changes, problem) in [
        (
            json!({"VpcId": format!("vpc-\u{200b}{}", &VPC[4..])}),
            "VpcId: holds a character that shows nothing (U+200B)",
        ),
        (
            json!({"AllowedCidrBlocks": ["10.0.0.0\u{feff}/8"]}),
            "AllowedCidrBlocks[0]: holds a character that shows nothing (U+FEFF)",
        ),
        (
            json!({"AuthToken": "hunter2hunter2\u{ad}hunter2"}),
            "AuthToken: holds a character that shows nothing (U+00AD)",
        ),
        (json!({"Parameters": {"timeout": "3\u{200b}0"}}), "Parameters.timeout: holds a character that shows nothing"),
    ] {
        let setup = Setup::new();
        let overrides = json!({"ResourceProperties": with(quick_start(), changes)});
        let reason = setup.stack.send("Create", CACHE, overrides).await.unwrap().reason().to_owned();
        assert!(reason.contains(problem) && !reason.contains("hunter2"), "{problem} in {reason}");
    }
    // Text for people may join characters with them.
    let setup = Setup::new();
    setup.created(with(quick_start(), json!({"Description": "می\u{200c}خواهم"}))).await;
}

/// A tag without a value is a tag; a shard without anything of its own is a shard.
#[tokio::test(start_paused = true)]
async fn the_two_places_where_nothing_means_something() {
    let setup = Setup::new();
    let tags = json!([{"Key": "flag", "Value": " "}, {"Key": "other", "Value": null}, {"Key": "", "Value": ""}, {}]);
    let shards = json!([{}, {"ReplicaCount": " "}, null, ""]);
    let properties = with(quick_start(), json!({"Tags": tags, "NodeGroupConfiguration": shards}));
    let answer = setup.stack.send("Create", CACHE, json!({"ResourceProperties": properties})).await.unwrap();
    assert!(answer.is_success(), "{}", answer.reason());
    let made = setup.writes().into_iter().find(|call| call.action == "CreateReplicationGroup").unwrap().params;
    assert_eq!(made["NumNodeGroups"], "2");
    let tags = made["Tags"]["Tag"].as_array().unwrap();
    for key in ["flag", "other"] {
        assert!(
            tags.iter().any(|tag| tag["Key"] == key && tag["Value"].as_str().unwrap_or_default().is_empty()),
            "{tags:?}"
        );
    }
    assert!(tags.iter().all(|tag| tag["Key"] != ""), "{tags:?}");
}

/// The token of a template, in whatever way it changes, is in no plan, with or without AWS, and in no message.
#[test]
fn a_preview_never_shows_the_token() {
    let token = |value: Value| with(quick_start(), json!({"AuthToken": value}));
    let secrets = ["hunter2hunter2hunter2", "correct-horse-battery", "0123456789012345"];
    let mut sides = vec![quick_start(), token(json!("short")), with(quick_start(), json!({"AuthTokenEnabled": true}))];
    for secret in secrets {
        sides
            .extend([json!(secret), json!(format!(" {secret}\n")), json!([secret]), json!({"Ref": secret})].map(token));
        sides.push(token(json!(format!("{secret} {secret}"))));
        sides.push(token(json!(format!("{{{{resolve:ssm:{secret}}}}}"))));
        sides.push(with(token(json!(secret)), json!({"AuthTokenEnabled": true, "UserGroupIds": ["a"]})));
        sides.push(with(token(json!(secret)), json!({"ReplacementPolicy": "Snapshot", "Port": 7000})));
        sides.push(with(quick_start(), json!({"AuthTokenSecretArn": secret})));
        sides.push(with(quick_start(), json!({"AuthTokn": secret})));
    }
    sides.push(token(json!(1_234_567_890_123_456_789_u64)));
    for old in &sides {
        for new in &sides {
            let shown = match preview::update(old, new) {
                Ok(forecast) => format!("{forecast} {forecast:?}"),
                Err(problems) => format!("{} {problems:?}", elasticache_resource::domain::problem::summary(&problems)),
            };
            for secret in secrets.iter().chain(&["1234567890123456789"]) {
                assert!(!shown.contains(secret), "{shown}");
            }
        }
    }
}
