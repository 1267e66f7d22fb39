//! STS: who somebody is. It is what clients ask before anything else.

use serde_json::json;

use crate::journal::Caller;
use crate::wire::FUNCTION_PRINCIPAL;
use crate::world::{ACCOUNT, Answer, AwsError, Call};

/// Handles one call. Everybody may ask who they are, whatever their rights.
pub(crate) fn handle(call: &Call, caller: Caller) -> Answer {
    let (user, arn) = match caller {
        Caller::Administrator => ("AIDALOCALADMIN", format!("arn:aws:iam::{ACCOUNT}:user/administrator")),
        Caller::Function => ("AROALOCALFUNCTION:elasticache-resource", FUNCTION_PRINCIPAL.to_owned()),
    };
    match call.action.as_str() {
        "GetCallerIdentity" => Ok(json!({ "Arn": arn, "UserId": user, "Account": ACCOUNT })),
        other => {
            let message = format!("Could not find operation {other} for version 2011-06-15");
            Err(AwsError::new("InvalidAction", message))
        }
    }
}
