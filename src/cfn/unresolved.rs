//! Values that arrive although something should have replaced them on the way: pure.

use serde_json::Value;

/// Why a value is none, and what to do about it. Neither repeats the value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unresolved {
    /// What it holds instead.
    pub rule: String,
    /// What to write.
    pub fix: &'static str,
}

/// Functions of templates in their short form.
const SHORT_FORMS: [&str; 18] = [
    "Ref",
    "GetAtt",
    "Sub",
    "Join",
    "Select",
    "Split",
    "If",
    "ImportValue",
    "FindInMap",
    "Base64",
    "Cidr",
    "GetAZs",
    "Transform",
    "And",
    "Equals",
    "Not",
    "Or",
    "Condition",
];

/// Pseudo parameters of CloudFormation.
const PSEUDO_PARAMETERS: [&str; 8] = [
    "AWS::AccountId",
    "AWS::NotificationARNs",
    "AWS::NoValue",
    "AWS::Partition",
    "AWS::Region",
    "AWS::StackId",
    "AWS::StackName",
    "AWS::URLSuffix",
];

/// From here on a number stands for a token of the CDK, which writes them as the greatest there are.
const CDK_NUMBER: f64 = 1e280;

impl Unresolved {
    /// What is wrong with a value, looked at without the items of a list or the entries of a map.
    #[must_use]
    pub fn find(value: &Value) -> Option<Unresolved> {
        match value {
            Value::String(text) => in_text(text),
            Value::Number(number) => number.as_f64().filter(|number| number.abs() > CDK_NUMBER).map(|_| cdk_token()),
            Value::Object(map) => map.keys().find_map(|name| function(name)),
            Value::Null | Value::Bool(_) | Value::Array(_) => None,
        }
    }

    /// What is wrong with the name of a property: it is a function, or a text like those of values.
    #[must_use]
    pub fn in_name(name: &str) -> Option<Unresolved> {
        function(name).or_else(|| in_text(name))
    }
}

fn function(name: &str) -> Option<Unresolved> {
    let shown: String = name.chars().take(40).collect();
    (name == "Ref" || name.starts_with("Fn::")).then(|| Unresolved {
        rule: format!("holds the function {shown}, which nobody has carried out"),
        fix: "send the value: CloudFormation carries functions out in the template of a stack only, not in text, parameters \
              or events",
    })
}

fn in_text(text: &str) -> Option<Unresolved> {
    let compact: String = text.chars().filter(|c| !c.is_whitespace()).collect::<String>().to_ascii_lowercase();
    let found = |rule: &str, fix| Some(Unresolved { rule: rule.to_owned(), fix });
    if compact.contains("{{resolve:ssm-secure:") {
        return found(
            "holds a dynamic reference to a secure parameter, which CloudFormation resolves in no custom resource",
            "keep the value in Secrets Manager and write {{resolve:secretsmanager:...}}",
        );
    }
    if compact.contains("{{resolve:") {
        return found(
            "holds a dynamic reference that CloudFormation has not resolved",
            "check its spelling ({{resolve:ssm:name}} or {{resolve:secretsmanager:id:SecretString:key}}), and write it \
             in the template, not in what a parameter, macro or file brings",
        );
    }
    if ["${token[", "#{token["].iter().any(|start| compact.contains(start))
        || text.parse::<f64>().is_ok_and(|number| number.is_finite() && number.abs() > CDK_NUMBER)
    {
        return Some(cdk_token());
    }
    if encloses(text, "${", "}") {
        return found("holds ${...}, which only Fn::Sub replaces", "write Fn::Sub (!Sub) in front of the text");
    }
    if encloses(text, "{{", "}}") {
        return found("holds {{...}}, which nobody has filled in", "write the value");
    }
    let word = text.strip_prefix('!').map(|rest| rest.split([' ', '[', '\n']).next().unwrap_or_default());
    if word.is_some_and(|word| word.len() + 1 < text.len() && SHORT_FORMS.contains(&word)) {
        return found(
            "holds a function of CloudFormation as text",
            "remove the quotation marks around it, or write its long form in JSON",
        );
    }
    if PSEUDO_PARAMETERS.contains(&text) {
        return found("is the name of a pseudo parameter, not its value", "write Ref (!Ref) in front of it");
    }
    None
}

fn cdk_token() -> Unresolved {
    Unresolved {
        rule: "holds a token of the CDK that was not resolved".to_owned(),
        fix: "give the value itself to the property; where it goes through JSON, use stack.toJsonString, and do not change \
              the text of a token",
    }
}

fn encloses(text: &str, open: &str, close: &str) -> bool {
    text.split_once(open).is_some_and(|(_, rest)| rest.contains(close))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_should_have_been_replaced_is_told_from_what_stands_for_itself() {
        for (value, rule) in [
            (json!("{{resolve:ssm:/cache/env}}"), "dynamic reference"),
            (json!("a{{ Resolve:secretsmanager:x"), "dynamic reference"),
            (json!("{{resolve:ssm-secure:/cache/token:1}}"), "secure parameter"),
            (json!("${Token[TOKEN.42]}"), "CDK"),
            (json!("#{Token[TOKEN.42]}"), "CDK"),
            (json!("x${Token[Vpc.Id"), "CDK"),
            (json!(-1.888_154_589_708_8e289), "CDK"),
            (json!("-1.8881545897087626e+289"), "CDK"),
            (json!("${AWS::StackName}-cache"), "Fn::Sub"),
            (json!("${Env}"), "Fn::Sub"),
            (json!("{{ env }}"), "filled in"),
            (json!("!Ref Vpc"), "as text"),
            (json!("!GetAtt Vpc.Id"), "as text"),
            (json!("AWS::NoValue"), "pseudo parameter"),
            (json!({"Ref": "Vpc"}), "function Ref"),
            (json!({"Fn::GetAtt": ["Vpc", "Id"]}), "function Fn::GetAtt"),
        ] {
            let found = Unresolved::find(&value).unwrap_or_else(|| panic!("{value}"));
            assert!(found.rule.contains(rule), "{value}: {}", found.rule);
        }
        for value in [
            json!("dev"),
            json!("a$b"),
            json!("!&#$^<>-!&#$^<>-"),
            json!("{a}"),
            json!("$"),
            json!("!Reference x"),
            json!("AWS::ElastiCache"),
            json!("inf"),
            json!("NaN"),
            json!(6379),
            json!("1e3"),
            json!(["${a}"]),
            json!({"a": "${b}"}),
            json!(null),
            json!(true),
            json!("Sessions of {env}"),
            json!("!Ref"),
        ] {
            assert_eq!(Unresolved::find(&value), None, "{value}");
        }
    }
}
