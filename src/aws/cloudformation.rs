//! CloudFormation: what it says of the resource itself. Calls AWS, reading only.

use aws_smithy_types::DateTime;

use super::client::Aws;
use super::fault::Fault;

const ACTION: &str = "cloudformation:DescribeStackResource";

/// What CloudFormation is doing with a resource.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ResourceStatus {
    /// As CloudFormation writes it: `CREATE_IN_PROGRESS`.
    pub status: String,
    /// When it became so.
    pub since: Option<DateTime>,
    /// Physical id that it has until its request is answered.
    pub physical_id: Option<String>,
}

impl ResourceStatus {
    /// Whether it is the end of a request that was signed then, in seconds since the epoch. A status that is older tells of
    /// another request; of what happened within one second the order cannot be told.
    #[must_use]
    pub(crate) fn ends(&self, signed_at: i64) -> bool {
        let asked_for = self.status.ends_with("_IN_PROGRESS") && !self.status.starts_with("DELETE");
        !asked_for && self.since.is_some_and(|since| since.secs() > signed_at)
    }

    /// Whether CloudFormation has gone on to another physical id than the one that it sent with an Update. It keeps that one
    /// until the Update is answered.
    #[must_use]
    pub(crate) fn is_past(&self, physical_id: &str) -> bool {
        self.physical_id.as_deref().is_some_and(|known| known != physical_id)
    }
}

/// What CloudFormation says of a resource.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum StatusAnswer {
    /// It is in its stack.
    Status(ResourceStatus),
    /// Its stack is known and has no such resource: it was removed, its creation failed, or has just begun.
    NoResource,
    /// Nothing that could be relied on.
    Nothing,
}

impl Aws {
    /// What CloudFormation says of a resource.
    pub(crate) async fn resource_status(&self, stack_id: &str, logical_id: &str) -> Result<StatusAnswer, Fault> {
        let call = self.cloudformation.describe_stack_resource().stack_name(stack_id).logical_resource_id(logical_id);
        let output = match call.send().await {
            Ok(output) => output,
            Err(error) => {
                let fault = Fault::new(ACTION, logical_id, &error);
                // What it does not know it calls a wrong value. A stack is known by its id for 90 days after its end, so
                // one that is not known is none of this account's, or not shown yet.
                return match fault.message.as_str() {
                    text if !text.contains("does not exist") => Err(fault),
                    text if text.starts_with("Resource ") => Ok(StatusAnswer::NoResource),
                    _ => Ok(StatusAnswer::Nothing),
                };
            }
        };
        let Some(detail) = output.stack_resource_detail() else { return Ok(StatusAnswer::Nothing) };
        let status = detail.resource_status().map(|status| status.as_str().to_owned()).unwrap_or_default();
        let physical_id = detail.physical_resource_id().map(str::to_owned);
        let since = detail.last_updated_timestamp().copied();
        Ok(StatusAnswer::Status(ResourceStatus { status, since, physical_id }))
    }

    /// The status of a stack, such as `UPDATE_ROLLBACK_IN_PROGRESS`, which holds while the requests of a rollback are sent
    /// (user guide, "Stack status codes"); `None` when there is none.
    pub(crate) async fn stack_status(&self, stack_id: &str) -> Result<Option<String>, Fault> {
        let output = self.cloudformation.describe_stacks().stack_name(stack_id).send().await;
        let output = output.map_err(|e| Fault::new("cloudformation:DescribeStacks", stack_id, &e))?;
        let status = output.stacks().first().and_then(|stack| stack.stack_status());
        Ok(status.map(|status| status.as_str().to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use aws_smithy_types::date_time::Format;

    use super::*;

    #[test]
    fn a_request_has_ended_when_its_resource_went_on_after_it() {
        let at = |date: &str| DateTime::from_str(date, Format::DateTime).ok();
        let signed_at = at("2026-11-01T12:00:00Z").unwrap().secs();
        for (status, since, ends) in [
            ("CREATE_IN_PROGRESS", "2026-11-01T11:59:59Z", false),
            ("UPDATE_IN_PROGRESS", "2026-11-01T13:00:00Z", false),
            ("CREATE_COMPLETE", "2026-11-01T12:05:00Z", true),
            ("CREATE_FAILED", "2026-11-01T12:00:01Z", true),
            ("DELETE_IN_PROGRESS", "2026-11-01T12:00:01Z", true),
            ("DELETE_COMPLETE", "2026-11-01T12:05:00Z", true),
            // A resource of that name stood before, and the API does not show yet that it is made again.
            ("DELETE_COMPLETE", "2026-11-01T11:00:00Z", false),
            ("DELETE_COMPLETE", "2026-11-01T12:00:00Z", false),
            ("DELETE_COMPLETE", "2026-11-01T12:00:00.789Z", false),
            ("DELETE_COMPLETE", "2026-11-01T12:00:01.001Z", true),
            ("", "", false),
        ] {
            let told = ResourceStatus { status: status.to_owned(), since: at(since), physical_id: None };
            assert_eq!(told.ends(signed_at), ends, "{told:?}");
        }
    }
}
