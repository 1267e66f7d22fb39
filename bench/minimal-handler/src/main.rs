//! The smallest Lambda function: takes an event and answers "ok".

use lambda_runtime::{Error, LambdaEvent, run, service_fn};
use serde_json::Value;

fn main() -> Result<(), Error> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(run(service_fn(answer)))
}

async fn answer(_event: LambdaEvent<Value>) -> Result<&'static str, Error> {
    Ok("ok")
}
