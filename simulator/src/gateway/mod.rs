//! One HTTP request in, one out: finds the service, injects faults, checks rights, writes the journal.

#[cfg(test)]
mod tests;

use bytes::Bytes;
use http::{Request, Response};
use serde_json::Value;

use crate::cloudformation::{self, CloudFormation};
use crate::cloudwatch::CloudWatch;
use crate::ec2::Ec2;
use crate::elasticache::ElastiCache;
use crate::faults::{Kind, Met};
use crate::journal::{Caller, Entry};
use crate::lambda::{Invoked, Lambda};
use crate::local_aws::{Cut, LocalAws};
use crate::price_list::PriceList;
use crate::secrets_manager::{SecretsManager, rotate_with};
use crate::sts;
use crate::wire::credential::Credential;
use crate::wire::{Service, refusal};
use crate::world::{ACCOUNT, AwsError, Call, REGION, Right, World};

/// Hosts of CloudFormation's buckets for answers start like this, and so does the path of a loopback response URL.
const ANSWER_BUCKET: &str = "cloudformation-custom-resource-response-";
const ANSWER_PATH: &str = "/cloudformation-custom-resource-response/";
const RUNTIME_PATH: &str = "/2018-06-01/runtime/";

/// Handles one request to any service.
pub(crate) async fn handle(aws: &LocalAws, request: Request<Bytes>) -> Result<Response<Bytes>, Cut> {
    if request.uri().path().starts_with(RUNTIME_PATH) {
        return Ok(aws.lambda().runtime_api(request, aws.clock()).await);
    }
    if is_answer(&request) {
        // The bucket behind response URLs: no signature, no rights, no journal.
        return aws.answers().accept(&request, aws.clock().now());
    }
    let Some(credential) = Credential::of(&request) else {
        let error = forbidden("MissingAuthenticationToken", "Request is missing Authentication Token");
        return Ok(refusal(&request, "", &error, &aws.checks().next_request_id()));
    };
    let Some(service) = Service::from_signing_name(&credential.service) else {
        let message = format!("the local AWS has no service {:?}", credential.service);
        let error = forbidden("UnknownService", &message);
        return Ok(refusal(&request, &credential.service, &error, &aws.checks().next_request_id()));
    };
    // The function may be told that it runs anywhere. A person who asks elsewhere would see this region's things as those of
    // another.
    if credential.is_administrator() && credential.region != REGION && service != Service::PriceList {
        let message = format!("the local AWS has no region {}, only {REGION}", credential.region);
        let error = forbidden("UnrecognizedClientException", &message);
        return Ok(refusal(&request, &credential.service, &error, &aws.checks().next_request_id()));
    }
    let caller = if credential.is_administrator() { Caller::Administrator } else { Caller::Function };
    Exchange { aws, service, caller }.run(&request).await
}

fn is_answer(request: &Request<Bytes>) -> bool {
    let header = request.headers().get(http::header::HOST).and_then(|host| host.to_str().ok());
    let host = request.uri().host().or(header).unwrap_or_default();
    host.starts_with(ANSWER_BUCKET) || request.uri().path().starts_with(ANSWER_PATH)
}

fn forbidden(code: &str, message: &str) -> AwsError {
    AwsError { status: 403, code: code.into(), message: message.into() }
}

/// One API call on its way through the checks.
struct Exchange<'a> {
    aws: &'a LocalAws,
    service: Service,
    caller: Caller,
}

impl Exchange<'_> {
    async fn run(&self, request: &Request<Bytes>) -> Result<Response<Bytes>, Cut> {
        let request_id = self.aws.checks().next_request_id();
        let (action, params) = match self.service.decode(request) {
            Ok(decoded) => decoded,
            Err(error) => return Ok(self.service.encode(request, "", &Err(error), &request_id)),
        };
        let fault = match self.caller {
            Caller::Function => {
                let now = self.aws.clock().now();
                self.aws.checks().faults.meet(now, self.service.prefix(), &action)
            }
            Caller::Administrator => None,
        };
        let mut invoked: Option<Invoked> = None;
        let answer = self.aws.with(|world, now| {
            let call = Call { action: action.clone(), params, now };
            let answer = self.admit(world, &call, fault.as_ref()).and_then(|()| match self.service {
                Service::ElastiCache => ElastiCache::handle(world, &call),
                Service::Ec2 => Ec2::handle(world, &call),
                Service::CloudFormation => CloudFormation::handle(world, &call),
                Service::CloudWatch => CloudWatch::handle(world, &call),
                Service::SecretsManager => SecretsManager::handle(world, &call),
                Service::PriceList => PriceList::handle(world, &call),
                Service::Sts => sts::handle(&call, self.caller),
                Service::Lambda => {
                    let done = Lambda::invoke(self.aws, request);
                    let refusal = done.refusal();
                    invoked = Some(done);
                    refusal.map_or(Ok(Value::Null), |status| Err(AwsError::new(status.as_str(), "")))
                }
            });
            let outcome = match (fault.as_ref().map(|met| &met.kind), &answer) {
                (Some(Kind::CutBefore), _) => Err("CutBefore".into()),
                (Some(Kind::CutAfter), _) => Err("CutAfter".into()),
                (_, Ok(tree)) if self.aws.keeps_outputs() => Ok(tree.clone()),
                (_, Ok(_)) => Ok(Value::Null),
                (_, Err(error)) => Err(error.code.clone()),
            };
            let service = self.service.prefix().into();
            // Written while the state is locked, so that the journal has the order in which calls took effect.
            self.aws.checks().record(Entry {
                at: now,
                caller: self.caller,
                service,
                action: call.action,
                params: call.params,
                outcome,
            });
            answer
        });
        if self.service == Service::CloudFormation {
            cloudformation::run_begun(self.aws);
        }
        match fault.map(|met| met.kind) {
            Some(Kind::CutBefore | Kind::CutAfter) => return Err(Cut),
            Some(Kind::Panics) => planned_panic(&action),
            Some(Kind::Slow(span)) => self.aws.clock().sleep(span).await,
            _ => {}
        }
        if let (true, Ok(announced)) = (action == "RotateSecret", &answer) {
            self.begin_rotation(announced);
        }
        match invoked {
            // Waited for here, where the state is not locked: the function makes calls of its own.
            Some(invoked) => Ok(invoked.answered().await),
            None => Ok(self.service.encode(request, &action, &answer, &request_id)),
        }
    }

    /// Has the function take the steps of a rotation that was announced; without one under way nothing happens.
    fn begin_rotation(&self, announced: &Value) {
        let (aws, secret) = (self.aws.clone(), announced["ARN"].as_str().unwrap_or_default().to_owned());
        tokio::spawn(async move {
            if let Err(failure) = rotate_with(&aws, &*aws.lambda().function(), &secret).await {
                tracing::warn!(secret, failure, "a rotation has not ended");
            }
        });
    }

    /// Whether the call gets as far as the service: ledger, fault, rate, rights, in this order.
    fn admit(&self, world: &World, call: &Call, fault: Option<&Met>) -> Result<(), AwsError> {
        if self.caller == Caller::Administrator {
            return Ok(());
        }
        self.aws.checks().admit_shape(self.service.prefix(), call)?;
        match fault.map(|met| &met.kind) {
            Some(Kind::Error { status, code, message }) => {
                return Err(AwsError { status: *status, code: code.clone(), message: message.clone() });
            }
            Some(Kind::Throttled) => return Err(self.service.throttled()),
            Some(Kind::SignedLate) => {
                return Err(self.service.signed_late(fault.map_or(0, |met| met.before)));
            }
            Some(Kind::Denied) => {
                let needed = self.rights(world, call).into_iter().next();
                let fallback = || Right::new(format!("{}:{}", self.service.prefix(), call.action), "*");
                return Err(self.service.denied(&needed.unwrap_or_else(fallback)));
            }
            // Never sent on: what the service would say does not matter.
            Some(Kind::CutBefore | Kind::Panics) => return Err(AwsError::new("CutBefore", "")),
            Some(Kind::CutAfter | Kind::Slow(_)) | None => {}
        }
        let rights = self.rights(world, call);
        let mut checks = self.aws.checks();
        if !checks.within_limit(call.now) {
            return Err(self.service.throttled());
        }
        match checks.missing(rights) {
            Some(missing) => Err(self.service.denied(&missing)),
            None => Ok(()),
        }
    }

    fn rights(&self, world: &World, call: &Call) -> Vec<Right> {
        match self.service {
            Service::ElastiCache => ElastiCache::rights(world, call),
            Service::Ec2 => Ec2::rights(world, call),
            Service::CloudFormation => CloudFormation::rights(call),
            Service::CloudWatch => CloudWatch::rights(world, call),
            Service::SecretsManager => SecretsManager::rights(world, call),
            Service::PriceList => PriceList::rights(call),
            Service::Sts => Vec::new(),
            Service::Lambda => vec![Right::new("lambda:InvokeFunction", invoked_function(&call.params))],
        }
    }
}

/// A bug in the code of the function that makes the call, which runs on the same stack in process.
#[allow(clippy::panic, reason = "it is what was asked for")]
fn planned_panic(action: &str) -> ! {
    panic!("planned at {action}")
}

/// The ARN of the function in an Invoke, which may be given by name, partial ARN or ARN.
fn invoked_function(params: &Value) -> String {
    let name = params["FunctionName"].as_str().unwrap_or_default();
    if name.starts_with("arn:") {
        return name.into();
    }
    let name = name.rsplit_once("function:").map_or(name, |(_, name)| name);
    format!("arn:aws:lambda:{REGION}:{ACCOUNT}:function:{name}")
}
