//! The event of somebody who asks what a Create or an Update would do: pure.

use serde_json::Value;

use crate::cfn::resource_properties::ResourceProperties;
use crate::domain::problem::nearest;
use crate::domain::tags::Owner;

/// The one field of such an event.
const PLAN: &str = "Plan";

/// What it may hold; all names are those of CloudFormation's own events.
const FIELDS: [&str; 5] =
    ["StackId", "LogicalResourceId", "PhysicalResourceId", "ResourceProperties", "OldResourceProperties"];

/// Fields of events that are not for a plan: of CloudFormation, of Secrets Manager, of the function's own continuation.
const OF_SERVICES: [&str; 4] = ["ResponseURL", "RequestType", "Step", "Continuation"];

/// Most names of unknown fields that are repeated.
const MOST_NAMES: usize = 5;

/// What is to be planned.
#[derive(Clone, Debug, PartialEq)]
pub struct PlanEvent {
    /// Whose the resource is; `None`: as the tags of what stands say.
    pub owner: Option<Owner>,
    /// The resource that an Update would change; without one it is a Create.
    pub physical_id: Option<String>,
    /// Properties of the template.
    pub properties: ResourceProperties,
    /// Properties that the stack has now, if they are given.
    pub old_properties: Option<ResourceProperties>,
}

impl PlanEvent {
    /// Reads an event: `None` when it is no such event.
    ///
    /// # Errors
    /// It is one, and all that is wrong with it.
    #[must_use]
    pub fn read(event: &Value) -> Option<Result<PlanEvent, String>> {
        // What a service sends has one of these; a person may write the one field in other letters.
        let fields = event.as_object().filter(|fields| !OF_SERVICES.iter().any(|name| fields.contains_key(*name)))?;
        let (name, plan) = fields.iter().find(|(name, _)| name.eq_ignore_ascii_case(PLAN))?;
        let mut wrong = Vec::new();
        if name != PLAN {
            wrong.push(format!("{name:?} is written {PLAN}"));
        }
        let others = fields.keys().filter(|other| *other != name).map(|name| shown(name));
        let others: Vec<String> = others.take(MOST_NAMES).collect();
        if !others.is_empty() {
            wrong.push(format!("beyond {PLAN} the event has {}, which belong into it or nowhere", others.join(", ")));
        }
        let read = match read(plan) {
            Ok(read) if wrong.is_empty() => Ok(read),
            Ok(_) => Err(wrong),
            Err(more) => Err(wrong.into_iter().chain(more).collect()),
        };
        Some(read.map_err(|wrong| format!("the event cannot be planned: {}", wrong.join("; "))))
    }
}

/// A name that somebody sent, short and without line breaks.
fn shown(name: &str) -> String {
    format!("{:?}", name.chars().take(40).collect::<String>())
}

fn read(plan: &Value) -> Result<PlanEvent, Vec<String>> {
    let Some(fields) = plan.as_object() else {
        return Err(vec![format!("{PLAN} is not an object with {}", FIELDS.join(", "))]);
    };
    let mut wrong = Vec::new();
    let unknown: Vec<&String> = fields.keys().filter(|name| !FIELDS.contains(&name.as_str())).collect();
    for name in unknown.iter().take(MOST_NAMES) {
        let meant = nearest(name, &FIELDS).map(|meant| format!(": did you mean {meant}?")).unwrap_or_default();
        wrong.push(format!("{} is not a field of {PLAN}{meant}", shown(name)));
    }
    if unknown.len() > MOST_NAMES {
        wrong.push(format!("{} more are not", unknown.len() - MOST_NAMES));
    }
    if !unknown.is_empty() {
        wrong.push(format!("{PLAN} has {}", FIELDS.join(", ")));
    }
    let given = |name: &str| fields.get(name).filter(|value| !value.is_null());
    let mut text = |name: &str| match given(name) {
        None => None,
        Some(Value::String(text)) => Some(text.trim().to_owned()).filter(|text| !text.is_empty()),
        Some(_) => {
            wrong.push(format!("{name} is not a text"));
            None
        }
    };
    let (stack_id, logical_id) = (text("StackId"), text("LogicalResourceId"));
    let physical_id = text("PhysicalResourceId");
    let id_is_blank = given("PhysicalResourceId").and_then(Value::as_str).is_some_and(|id| id.trim().is_empty());
    if id_is_blank {
        wrong.push("PhysicalResourceId is empty: give the id of the resource, or leave it out for a Create".to_owned());
    }
    let owner = match (stack_id, logical_id) {
        (Some(stack_id), Some(logical_id)) => Some(Owner { stack_id, logical_id }),
        (None, None) => None,
        (Some(_), None) | (None, Some(_)) => {
            wrong.push("StackId and LogicalResourceId belong together: give both or none".to_owned());
            None
        }
    };
    let mut properties = |name: &str| match given(name) {
        None => None,
        Some(Value::Object(map)) if map.contains_key("Type") && map.contains_key("Properties") => {
            wrong.push(format!("{name} hold a whole resource: give what stands under its Properties"));
            None
        }
        Some(value @ Value::Object(_)) => Some(ResourceProperties::new(value)),
        Some(_) => {
            wrong.push(format!("{name} is not an object"));
            None
        }
    };
    let (new, old_properties) = (properties("ResourceProperties"), properties("OldResourceProperties"));
    if given("ResourceProperties").is_none() {
        wrong.push("ResourceProperties are missing: what stands under Properties in the template".to_owned());
    }
    if old_properties.is_some() && physical_id.is_none() && !id_is_blank {
        wrong.push("OldResourceProperties are of an Update, which needs PhysicalResourceId".to_owned());
    }
    match new {
        Some(properties) if wrong.is_empty() => Ok(PlanEvent { owner, physical_id, properties, old_properties }),
        _ => Err(wrong),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn only_an_event_with_nothing_but_a_plan_is_one() {
        for other in [json!({}), json!(null), json!("Plan"), json!({"RequestType": "Create", "Plan": {}})] {
            assert_eq!(PlanEvent::read(&other), None, "{other}");
        }
        for (nearly, said) in [
            (json!({"plan": {"ResourceProperties": {}}}), "\"plan\" is written Plan"),
            (json!({"Plan": {"ResourceProperties": {}}, "StackId": "s"}), "beyond Plan the event has \"StackId\""),
        ] {
            let text = PlanEvent::read(&nearly).unwrap().unwrap_err();
            assert!(text.contains(said), "{said:?} is not in {text}");
        }
    }

    #[test]
    fn a_plan_needs_no_more_than_properties() {
        let read = |plan: Value| PlanEvent::read(&json!({"Plan": plan})).unwrap();
        let least = read(json!({"ResourceProperties": {"ProjectId": "shop"}})).unwrap();
        assert_eq!((least.owner, least.physical_id, least.old_properties), (None, None, None));
        let whole = json!({
            "StackId": "arn:stack", "LogicalResourceId": "Cache", "PhysicalResourceId": " shop ",
            "ResourceProperties": {}, "OldResourceProperties": {"ProjectId": "shop"},
        });
        let whole = read(whole).unwrap();
        let owner = Owner { stack_id: "arn:stack".to_owned(), logical_id: "Cache".to_owned() };
        assert_eq!((whole.owner, whole.physical_id.as_deref()), (Some(owner), Some("shop")));
        assert!(whole.old_properties.is_some());
    }

    #[test]
    fn all_that_is_wrong_is_said_at_once() {
        let wrong = |plan: Value| PlanEvent::read(&json!({"Plan": plan})).unwrap().unwrap_err();
        let text = wrong(json!({
            "StackId": "arn:stack", "PhysicalResourceID": "shop", "ResourceProperties": [], "OldResourceProperties": {},
            "Colour": "red",
        }));
        for part in [
            "\"PhysicalResourceID\" is not a field of Plan: did you mean PhysicalResourceId?",
            "\"Colour\" is not a field of Plan",
            "; Plan has StackId, LogicalResourceId",
            "StackId and LogicalResourceId belong together",
            "ResourceProperties is not an object",
            "which needs PhysicalResourceId",
        ] {
            assert!(text.contains(part), "{part:?} is not in {text}");
        }
        assert!(wrong(json!("shop")).contains("Plan is not an object"));
        assert!(wrong(json!({"PhysicalResourceId": 7})).contains("PhysicalResourceId is not a text"));
        assert!(wrong(json!({})).contains("ResourceProperties are missing"));
        assert!(wrong(json!({"PhysicalResourceId": " "})).contains("PhysicalResourceId is empty"));
        let whole = json!({"Type": "Custom::ElastiCache", "Properties": {}});
        assert!(wrong(json!({"ResourceProperties": whole})).contains("hold a whole resource"));
        let many: serde_json::Map<String, Value> = (0..60).map(|number| (format!("n{number}"), json!(1))).collect();
        let text = wrong(Value::Object(many));
        assert!(text.contains("55 more are not") && text.len() < 800, "{text}");
    }
}
