//! The process around the function: settings, logs, connections, the Lambda runtime. Nothing is looked up before the
//! first event.

use std::process::ExitCode;

use aws_smithy_runtime_api::client::http::SharedHttpConnector;
use elasticache_resource::Function;
use elasticache_resource::aws::Aws;
use elasticache_resource::environment::Environment;
use elasticache_resource::http::Http;
use elasticache_resource::telemetry::logs;
use lambda_runtime::{LambdaEvent, service_fn};
use serde_json::Value;
use tracing::error;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let environment = match Environment::read(|name| std::env::var_os(name)) {
        Ok(environment) => environment,
        Err(wrong) => {
            // By the usual levels: those of the environment may be what is wrong, or leave out errors.
            logs::init(logs::standard());
            error!(why = %wrong, "the function cannot start: environment variables are wrong");
            return ExitCode::FAILURE;
        }
    };
    logs::init(environment.levels);
    let http = SharedHttpConnector::new(Http::new(environment.network));
    let aws = Aws::new(&environment.connection.config(&http));
    let function = Function::new(aws, http, environment.function);
    match lambda_runtime::run(service_fn(|event: LambdaEvent<Value>| function.handle(event))).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            error!(error, "the Lambda runtime ended");
            ExitCode::FAILURE
        }
    }
}
