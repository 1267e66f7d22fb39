//! Counts calls, tries and throttles of every client. Calls nothing itself.

use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_runtime_api::client::interceptors::Intercept;
use aws_smithy_runtime_api::client::interceptors::context::{
    BeforeSerializationInterceptorContextRef, BeforeTransmitInterceptorContextRef, FinalizerInterceptorContextRef,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpResponse, Metadata};
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::config_bag::ConfigBag;

use super::fault::is_throttling_code;
use crate::telemetry::metrics;

/// Hooked into every client.
#[derive(Debug)]
pub(super) struct Counting;

#[aws_smithy_runtime_api::client::interceptors::dyn_dispatch_hint]
impl Intercept for Counting {
    fn name(&self) -> &'static str {
        "Counting"
    }

    // Once per call; before that the SDK has not said yet which call it is.
    fn read_before_serialization(
        &self,
        _: &BeforeSerializationInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        bag: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        if let Some(called) = bag.load::<Metadata>() {
            metrics::count_call(&called.service().to_ascii_lowercase().replace(' ', ""), called.name());
        }
        Ok(())
    }

    fn read_before_attempt(
        &self,
        _: &BeforeTransmitInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        metrics::count_try();
        Ok(())
    }

    fn read_after_attempt(
        &self,
        context: &FinalizerInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        if context.response().is_some_and(is_throttled) {
            metrics::count_throttle();
        }
        Ok(())
    }
}

/// Whether an answer says that there were too many calls: by its status, or by the code in its body, where the query
/// protocols and the JSON protocols write it between other signs than letters.
fn is_throttled(response: &HttpResponse) -> bool {
    let status = response.status().as_u16();
    let body = response.body().bytes().unwrap_or_default();
    status == 429
        || status >= 400
            && String::from_utf8_lossy(body).split(|c: char| !c.is_ascii_alphanumeric()).any(is_throttling_code)
}
