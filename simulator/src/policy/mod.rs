//! The function's IAM policy, read from `template.yaml`, and what it allows.

mod condition;
mod document;
mod template;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::path::Path;

use condition::Condition;

use crate::wire::pattern;
use crate::world::{REGION, Right};

/// The function in the template whose policy this is.
const FUNCTION: &str = "ElastiCacheResourceFunction";

/// An IAM policy: allowed actions on resources under conditions.
#[derive(Clone, Debug, Default)]
pub struct Policy {
    statements: Vec<Statement>,
}

#[derive(Clone, Debug)]
struct Statement {
    effect: Effect,
    actions: Vec<String>,
    resources: Vec<String>,
    conditions: Vec<Condition>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Effect {
    Allow,
    Deny,
}

impl Policy {
    /// Reads the inline policy statements of the function in a SAM template. Intrinsic functions (`!Sub`, `!GetAtt`,
    /// `!Ref`) are resolved for [`crate::world::ACCOUNT`] and [`crate::world::REGION`].
    pub fn from_template(template: &Path) -> Result<Policy, String> {
        let text = std::fs::read_to_string(template).map_err(|e| format!("{}: {e}", template.display()))?;
        Policy::from_text(&text).map_err(|e| format!("{}: {e}", template.display()))
    }

    /// The same from the text of a template. Statements under `Fn::If` are taken as present.
    pub fn from_text(template: &str) -> Result<Policy, String> {
        let template = template::Template::parse(template)?;
        let mut statements = Vec::new();
        for (place, policy) in template.policies(FUNCTION)? {
            let read = document::statements(&template, policy).map_err(|e| format!("{place}: {e}"))?;
            statements.extend(read);
        }
        if statements.is_empty() {
            return Err(format!("{FUNCTION} has no policy statements"));
        }
        Ok(Policy { statements })
    }

    /// Whether the policy allows it: some statement does, and none denies it.
    #[must_use]
    pub fn allows(&self, right: &Right) -> bool {
        let mut context = right.context.clone();
        context.push(("aws:RequestedRegion".into(), REGION.into()));
        let applies = |effect| {
            let mut statements = self.statements.iter().filter(move |statement| statement.effect == effect);
            statements.any(|statement| statement.applies(right, &context))
        };
        applies(Effect::Allow) && !applies(Effect::Deny)
    }

    /// Every action that the policy allows on something, sorted.
    #[must_use]
    pub fn actions(&self) -> Vec<String> {
        let gives = |statement: &&Statement| statement.effect == Effect::Allow && !statement.resources.is_empty();
        let allowed = self.statements.iter().filter(gives);
        allowed.flat_map(|statement| statement.actions.clone()).collect::<BTreeSet<_>>().into_iter().collect()
    }

    /// The actions that are allowed somewhere under a condition on a key that begins like this.
    #[must_use]
    pub fn actions_under(&self, key: &str) -> BTreeSet<String> {
        let about = |statement: &&Statement| statement.conditions.iter().any(|condition| condition.is_about(key));
        let allowed = self.statements.iter().filter(|statement| statement.effect == Effect::Allow).filter(about);
        allowed.flat_map(|statement| statement.actions.clone()).collect()
    }

    /// The named actions that none of `used` needed.
    #[must_use]
    pub fn unused(&self, used: &BTreeSet<String>) -> Vec<String> {
        let needed = |action: &String| used.iter().any(|used| names(action, used));
        self.actions().into_iter().filter(|action| !needed(action)).collect()
    }
}

/// Actions are compared without regard to case.
fn names(pattern: &str, action: &str) -> bool {
    pattern::matches(&pattern.to_ascii_lowercase(), &action.to_ascii_lowercase())
}

impl Statement {
    fn applies(&self, right: &Right, context: &[(String, String)]) -> bool {
        self.actions.iter().any(|action| names(action, &right.action))
            && self.resources.iter().any(|resource| pattern::matches(resource, &right.resource))
            && self.conditions.iter().all(|condition| condition.holds(context))
    }
}
