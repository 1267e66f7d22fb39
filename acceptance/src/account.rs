//! The account: clients, and stacks as the other modules use them.

use std::fmt;
use std::time::Duration;

use aws_sdk_cloudformation::types::{Capability, StackEvent, StackStatus, Tag};
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use aws_types::SdkConfig;

/// Tag on every stack that is made here, with the id of the run.
pub const TAG: &str = "elasticache-resource-acceptance";

/// Label of a password that the cache does not take yet.
pub(crate) const PENDING: &str = "AWSPENDING";

/// Clients of one account in one region.
#[derive(Clone, Debug)]
pub struct Account {
    pub(crate) cloudformation: aws_sdk_cloudformation::Client,
    pub(crate) elasticache: aws_sdk_elasticache::Client,
    pub(crate) cloudwatch: aws_sdk_cloudwatch::Client,
    pub(crate) ec2: aws_sdk_ec2::Client,
    pub(crate) secrets: aws_sdk_secretsmanager::Client,
    /// Sends what the function would send, on a local AWS as the function does.
    pub(crate) secrets_as_function: aws_sdk_secretsmanager::Client,
    /// Between two looks at a stack.
    pub(crate) pause: Duration,
}

/// What went wrong, in words for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure(pub String);

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Failure {
    /// A failed call, with what can be done where the cause is plain.
    pub(crate) fn of<E, R>(what: &str, error: &SdkError<E, R>) -> Failure
    where
        E: ProvideErrorMetadata + std::error::Error + 'static,
        R: fmt::Debug + 'static,
    {
        let said = match (error.code(), error.message()) {
            (Some(code), Some(message)) => format!("{code}: {message}"),
            (Some(code), None) => code.to_owned(),
            (None, _) => {
                let mut inner: &dyn std::error::Error = error;
                let mut said = inner.to_string();
                while let Some(source) = inner.source() {
                    inner = source;
                    said = format!("{said}: {inner}");
                }
                said
            }
        };
        let lower = said.to_lowercase();
        let way_out = if lower.contains("credential") || lower.contains("security token") {
            "; put credentials into the environment: eval $(aws configure export-credentials --format env)"
        } else if lower.contains("dispatch failure") || lower.contains("connect") {
            "; is AWS_ENDPOINT_URL right, and is something listening there?"
        } else {
            ""
        };
        Failure(format!("{what}: {said}{way_out}"))
    }
}

/// How a stack is, and what was said of it.
#[derive(Clone, Debug)]
pub(crate) struct Ended {
    pub(crate) status: String,
    /// Logical ids and reasons of everything that failed, oldest first.
    pub(crate) failures: Vec<(String, String)>,
}

impl Account {
    /// The account that this configuration leads to; `pause` lies between two looks at a stack.
    #[must_use]
    pub fn new(config: &SdkConfig, pause: Duration) -> Account {
        Account {
            cloudformation: aws_sdk_cloudformation::Client::new(config),
            elasticache: aws_sdk_elasticache::Client::new(config),
            cloudwatch: aws_sdk_cloudwatch::Client::new(config),
            ec2: aws_sdk_ec2::Client::new(config),
            secrets: aws_sdk_secretsmanager::Client::new(config),
            secrets_as_function: aws_sdk_secretsmanager::Client::new(config),
            pause,
        }
    }

    /// The value of an export.
    pub async fn export(&self, name: &str) -> Result<Option<String>, Failure> {
        let mut pages = self.cloudformation.list_exports().into_paginator().send();
        while let Some(page) = pages.next().await {
            let page = page.map_err(|e| Failure::of("cannot list the exports of CloudFormation", &e))?;
            if let Some(export) = page.exports().iter().find(|export| export.name() == Some(name)) {
                return Ok(export.value().map(str::to_owned));
            }
        }
        Ok(None)
    }

    /// The zones of these subnets, in their order.
    pub async fn zones(&self, subnets: &[String]) -> Result<Vec<String>, Failure> {
        let found = self.ec2.describe_subnets().set_subnet_ids(Some(subnets.to_vec())).send().await;
        let found = found.map_err(|e| Failure::of("cannot look at the subnets", &e))?;
        let zone = |id: &String| {
            let subnet = found.subnets().iter().find(|subnet| subnet.subnet_id() == Some(id));
            let zone = subnet.and_then(|subnet| subnet.availability_zone()).map(str::to_owned);
            zone.ok_or_else(|| Failure(format!("the subnet {id} is in no zone")))
        };
        subnets.iter().map(zone).collect()
    }

    /// Begins to make a stack, or to change it.
    pub(crate) async fn deploy(&self, stack: &str, run: &str, template: &str, is_new: bool) -> Result<(), Failure> {
        let capability = Capability::CapabilityIam;
        if is_new {
            let tag = Tag::builder().key(TAG).value(run).build();
            let call = self.cloudformation.create_stack().stack_name(stack).template_body(template);
            let made = call.tags(tag).capabilities(capability).send().await;
            return made.map(drop).map_err(|e| Failure::of(&format!("cannot create the stack {stack}"), &e));
        }
        let call = self.cloudformation.update_stack().stack_name(stack).template_body(template);
        let changed = call.capabilities(capability).send().await;
        changed.map(drop).map_err(|e| Failure::of(&format!("cannot update the stack {stack}"), &e))
    }

    /// Id and status of a stack; none when there is none.
    pub(crate) async fn stack(&self, name: &str) -> Result<Option<(String, StackStatus)>, Failure> {
        match self.cloudformation.describe_stacks().stack_name(name).send().await {
            Ok(output) => Ok(output
                .stacks()
                .first()
                .and_then(|stack| Some((stack.stack_id()?.to_owned(), stack.stack_status()?.clone())))),
            Err(e) if e.message().is_some_and(|message| message.contains("does not exist")) => Ok(None),
            Err(e) => Err(Failure::of(&format!("cannot look at the stack {name}"), &e)),
        }
    }

    /// Waits until nothing is under way in a stack, whose history is read from the event after `since`.
    pub(crate) async fn ended(&self, stack_id: &str, since: usize) -> Result<Ended, Failure> {
        loop {
            let status = match self.stack(stack_id).await? {
                Some((_, status)) => status.as_str().to_owned(),
                None => "DELETE_COMPLETE".to_owned(),
            };
            if !status.ends_with("IN_PROGRESS") {
                let events = self.events(stack_id).await?;
                let failed = events.iter().skip(since).filter(|event| {
                    let status = event.resource_status().map_or("", |status| status.as_str());
                    status.ends_with("FAILED") && event.physical_resource_id() != Some(stack_id)
                });
                let said = |event: &StackEvent| {
                    let reason = event.resource_status_reason().unwrap_or_default().to_owned();
                    (event.logical_resource_id().unwrap_or_default().to_owned(), reason)
                };
                return Ok(Ended { status, failures: failed.map(said).collect() });
            }
            tokio::time::sleep(self.pause).await;
        }
    }

    /// The history of a stack, oldest first.
    pub(crate) async fn events(&self, stack_id: &str) -> Result<Vec<StackEvent>, Failure> {
        let mut pages = self.cloudformation.describe_stack_events().stack_name(stack_id).into_paginator().send();
        let mut events = Vec::new();
        while let Some(page) = pages.next().await {
            let page = page.map_err(|e| Failure::of(&format!("cannot read the history of {stack_id}"), &e))?;
            events.extend(page.stack_events().to_vec());
        }
        events.reverse();
        Ok(events)
    }

    /// Begins to delete a stack, or goes on with that.
    pub(crate) async fn delete(&self, stack_id: &str) -> Result<(), Failure> {
        let deleted = self.cloudformation.delete_stack().stack_name(stack_id).send().await;
        deleted.map(drop).map_err(|e| Failure::of(&format!("cannot delete the stack {stack_id}"), &e))
    }

    /// An output of a stack.
    pub(crate) async fn output(&self, stack: &str, key: &str) -> Option<String> {
        let found = self.cloudformation.describe_stacks().stack_name(stack).send().await.ok()?;
        let outputs = found.stacks().first()?.outputs();
        outputs.iter().find(|output| output.output_key() == Some(key))?.output_value().map(str::to_owned)
    }

    /// Versions of a secret with the labels that they have.
    pub(crate) async fn labels(&self, secret: &str) -> Result<Vec<(String, Vec<String>)>, Failure> {
        let found = self.secrets.describe_secret().secret_id(secret).send().await;
        let found = found.map_err(|e| Failure::of(&format!("cannot look at the secret {secret}"), &e))?;
        let versions = found.version_ids_to_stages().into_iter().flatten();
        Ok(versions.map(|(version, labels)| (version.clone(), labels.clone())).collect())
    }

    /// Stores something that nobody gets in a secret, as the next password is stored, and takes its label away.
    pub(crate) async fn give_up_version(&self, secret: &str) -> Result<(), Failure> {
        let (version, secrets) = (format!("{:032x}", fastrand::u128(..)), &self.secrets_as_function);
        let put = secrets.put_secret_value().secret_id(secret).client_request_token(&version).secret_string("given up");
        let put = put.version_stages(PENDING).send().await;
        put.map_err(|e| Failure::of(&format!("secretsmanager:PutSecretValue on {secret}"), &e))?;
        let taken = secrets.update_secret_version_stage().secret_id(secret).version_stage(PENDING);
        let taken = taken.remove_from_version_id(version).send().await;
        taken.map(drop).map_err(|e| Failure::of(&format!("secretsmanager:UpdateSecretVersionStage on {secret}"), &e))
    }

    /// When the token of a group changed last, as AWS says.
    pub(crate) async fn token_date(&self, group: &str) -> Option<i128> {
        let found = self.elasticache.describe_replication_groups().replication_group_id(group).send().await.ok()?;
        Some(found.replication_groups().first()?.auth_token_last_modified_date()?.as_nanos())
    }
}
