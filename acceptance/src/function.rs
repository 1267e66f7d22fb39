//! The function under test, where a run deploys one of its own.

use aws_sdk_cloudformation::types::{Capability, Parameter, Tag};

use crate::account::{Account, Failure, TAG};
use crate::play::stack_name;

/// In the name of its stack, where those of the caches have their scenario.
pub(crate) const NAME: &str = "function";

/// Most bytes of a template that CloudFormation takes within a call.
const MAX_TEMPLATE: usize = 51_200;

/// Deploys the function from a template that `aws cloudformation package` wrote, under a name of this run's. What it
/// returns is the ServiceToken. `clean` removes it after everything that it made.
pub async fn deploy(account: &Account, run: &str, template: &str) -> Result<String, Failure> {
    if template.len() > MAX_TEMPLATE {
        let size = template.len();
        return Err(Failure(format!("the template of the function has {size} bytes, and may have {MAX_TEMPLATE}")));
    }
    let stack = stack_name(run, NAME);
    let name = Parameter::builder().parameter_key("FunctionName").parameter_value(format!("acceptance-{run}")).build();
    let call = account.cloudformation.create_stack().stack_name(&stack).template_body(template).parameters(name);
    let call = call.tags(Tag::builder().key(TAG).value(run).build());
    // It is for SAM, whose transform adds resources.
    let call = call.capabilities(Capability::CapabilityIam).capabilities(Capability::CapabilityAutoExpand);
    let made = call.send().await.map_err(|e| Failure::of(&format!("cannot create the stack {stack}"), &e))?;
    let id = made.stack_id().unwrap_or(&stack);
    let ended = account.ended(id, 0).await?;
    if ended.status != "CREATE_COMPLETE" {
        let reasons: Vec<String> = ended.failures.into_iter().map(|(on, reason)| format!("{on}: {reason}")).collect();
        return Err(Failure(format!("the stack {stack} is {}: {}", ended.status, reasons.join("; "))));
    }
    let token = account.output(id, "ServiceToken").await;
    token
        .ok_or_else(|| Failure(format!("the stack {stack} has no output ServiceToken: is it the function's template?")))
}
