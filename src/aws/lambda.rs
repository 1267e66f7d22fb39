//! Lambda: handing work on to the next invocation. Calls AWS.

use aws_sdk_lambda::config::Builder;
use aws_sdk_lambda::config::retry::RetryConfig;
use aws_sdk_lambda::primitives::Blob;
use aws_sdk_lambda::types::InvocationType;

use super::client::Aws;
use super::fault::Fault;

impl Aws {
    /// Has `function` invoked with `payload`, without waiting for it. Tried once: the caller knows how much time is left.
    pub(crate) async fn invoke(&self, function: &str, payload: String) -> Result<(), Fault> {
        let call = self.lambda.invoke().function_name(function).invocation_type(InvocationType::Event);
        let once = Builder::new().retry_config(RetryConfig::disabled());
        let result = call.payload(Blob::new(payload)).customize().config_override(once).send().await;
        result.map(drop).map_err(|e| Fault::new("lambda:InvokeFunction", function, &e))
    }
}
