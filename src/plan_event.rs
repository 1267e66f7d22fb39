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
        let plan = event.as_object().filter(|fields| fields.len() == 1)?.get(PLAN)?;
        Some(read(plan).map_err(|wrong| format!("the event cannot be planned: {}", wrong.join("; "))))
    }
}

fn read(plan: &Value) -> Result<PlanEvent, Vec<String>> {
    let Some(fields) = plan.as_object() else {
        return Err(vec![format!("{PLAN} is not an object with {}", FIELDS.join(", "))]);
    };
    let mut wrong = Vec::new();
    for name in fields.keys().filter(|name| !FIELDS.contains(&name.as_str())) {
        let shown: String = name.chars().take(40).collect();
        wrong.push(match nearest(name, &FIELDS) {
            Some(meant) => format!("{shown:?} is not a field of {PLAN}: did you mean {meant}?"),
            None => format!("{shown:?} is not a field of {PLAN}, which has {}", FIELDS.join(", ")),
        });
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
    if old_properties.is_some() && physical_id.is_none() {
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
            "\"Colour\" is not a field of Plan, which has StackId, LogicalResourceId",
            "StackId and LogicalResourceId belong together",
            "ResourceProperties is not an object",
            "which needs PhysicalResourceId",
        ] {
            assert!(text.contains(part), "{part:?} is not in {text}");
        }
        assert!(wrong(json!("shop")).contains("Plan is not an object"));
        assert!(wrong(json!({"PhysicalResourceId": 7})).contains("PhysicalResourceId is not a text"));
        assert!(wrong(json!({})).contains("ResourceProperties are missing"));
    }
}
