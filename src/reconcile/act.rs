//! Applies one step. Calls AWS; decides nothing.

use crate::aws::{Aws, Fault};
use crate::domain::alarm::Alarm;
use crate::domain::names::hash;
use crate::domain::secret::{AuthToken, SecretContent};
use crate::domain::tags::Tags;
use crate::observed::{STAGE_CURRENT, STAGE_PENDING, Secret};
use crate::step::effect::Made;
use crate::step::group::AuthRequest;
use crate::step::{AuthChange, NewSecret, SnapshotSource, StagedSecret, Step, TagTarget};
use crate::telemetry::metrics::{Phase, timed};

/// Applies one step. `request` identifies the request, for calls that AWS recognises when repeated.
/// Returns what AWS answered that is not in the step.
pub async fn act(aws: &Aws, step: &Step, request: &str) -> Result<Made, Fault> {
    timed(Phase::Act, call(aws, step, request)).await
}

async fn call(aws: &Aws, step: &Step, request: &str) -> Result<Made, Fault> {
    let changed = match step {
        Step::CreateSubnetGroup { name, description, subnet_ids, tags } => {
            let group = aws.create_subnet_group(name, description, subnet_ids, tags).await?;
            return Ok(Made::SubnetGroup(Box::new(group)));
        }
        Step::CreateSecurityGroup { name, description, vpc_id, tags } => {
            return aws.create_security_group(name, description, vpc_id, tags).await.map(Made::Id);
        }
        Step::CreateParameterGroup { name, family, description, tags } => {
            return aws.create_parameter_group(name, family, description, tags).await.map(Made::Id);
        }
        Step::CreateSecret(secret) => return create_secret(aws, secret, request).await,
        Step::ModifySubnetGroup { name, subnet_ids } => aws.modify_subnet_group(name, subnet_ids).await,
        Step::DeleteSubnetGroup { name } => aws.delete_subnet_group(name).await,
        Step::AuthorizeIngress { security_group, rules, owners } => {
            aws.authorize_ingress(security_group, rules, owners).await
        }
        Step::RevokeIngress { security_group, rules, owners } => {
            aws.revoke_ingress(security_group, rules, owners).await
        }
        Step::DeleteSecurityGroup { id } => aws.delete_security_group(id).await,
        Step::ModifyParameters { name, values } => aws.modify_parameters(name, values).await,
        Step::ResetParameters { name, values } => aws.reset_parameters(name, values).await,
        Step::DeleteParameterGroup { name } => aws.delete_parameter_group(name).await,
        Step::RestoreSecret { arn } => aws.restore_secret(arn).await,
        Step::PutSecret { arn, content } => {
            let version = version(&[request, &content.host, &content.reader_host, &content.port.to_string()]);
            aws.put_secret(arn, content, &version).await
        }
        Step::StageSecret(staged) => stage_secret(aws, staged).await,
        Step::PromoteSecret { arn, to, from } => aws.move_stage(arn, STAGE_CURRENT, Some(to), from.as_deref()).await,
        Step::UnstageSecret { arn, version } => aws.move_stage(arn, STAGE_PENDING, None, Some(version)).await,
        Step::SetSecretKey { arn, kms_key_id } => aws.set_secret_key(arn, kms_key_id).await,
        Step::DeleteSecret { arn, recovery_window_days } => aws.delete_secret(arn, *recovery_window_days).await,
        Step::CreateGroup(group) => aws.create_group(group).await,
        Step::ModifyGroup(change) => aws.modify_group(change).await,
        Step::IncreaseReplicas { group, replicas } => aws.increase_replicas(group, replicas).await,
        Step::DecreaseReplicas { group, replicas } => aws.decrease_replicas(group, replicas).await,
        Step::ChangeShards { group, shards, remove } => aws.change_shards(group, *shards, remove).await,
        Step::SetTransitEncryption { group, from, to } => aws.set_transit_encryption(group, *from, *to).await,
        Step::ChangeAuth { group, change } => aws.change_auth(group, &auth_request(change)).await,
        Step::DeliverLogs { group, set, disable } => aws.deliver_logs(group, set, disable).await,
        Step::DeleteGroup { group, final_snapshot } => aws.delete_group(group, final_snapshot.as_deref()).await,
        Step::CreateSnapshot { name, of: SnapshotSource::Member(id), tags } => {
            aws.create_snapshot_of_member(name, id, tags).await
        }
        Step::CreateSnapshot { name, of: SnapshotSource::Group(id), tags } => {
            aws.create_snapshot_of_group(name, id, tags).await
        }
        Step::DeleteSnapshot { name } => aws.delete_snapshot(name).await,
        Step::PutAlarms { node: _, alarms, tags } => put_alarms(aws, alarms, tags).await,
        Step::DeleteAlarms { names } => aws.delete_alarms(names).await,
        Step::Tag { target: TagTarget::ElastiCache(arn), tags } => aws.tag_cache(arn, tags).await,
        Step::Tag { target: TagTarget::SecurityGroup(id), tags } => aws.tag_security_group(id, tags).await,
        Step::Tag { target: TagTarget::Secret(arn), tags } => aws.tag_secret(arn, tags).await,
        Step::Untag { target: TagTarget::ElastiCache(arn), keys } => aws.untag_cache(arn, keys).await,
        Step::Untag { target: TagTarget::SecurityGroup(id), keys } => aws.untag_security_group(id, keys).await,
        Step::Untag { target: TagTarget::Secret(arn), keys } => aws.untag_secret(arn, keys).await,
    };
    changed.map(|()| Made::Nothing)
}

async fn put_alarms(aws: &Aws, alarms: &[Alarm], tags: &Tags) -> Result<(), Fault> {
    for alarm in alarms {
        aws.put_alarm(alarm, tags).await?;
    }
    Ok(())
}

fn auth_request(change: &AuthChange) -> AuthRequest<'_> {
    let nothing = AuthRequest { token: None, strategy: None, add: None, remove: &[], remove_all: false };
    match change {
        AuthChange::Rotate { token, from_user_groups, .. } => {
            AuthRequest { token: Some(token), strategy: Some("ROTATE"), remove_all: *from_user_groups, ..nothing }
        }
        AuthChange::Set { token, .. } => AuthRequest { token: Some(token), strategy: Some("SET"), ..nothing },
        AuthChange::TokenToUserGroup(id) => AuthRequest { strategy: Some("DELETE"), add: Some(id), ..nothing },
        AuthChange::UserGroups { add, remove } => AuthRequest { add: add.as_deref(), remove, ..nothing },
        AuthChange::RemoveUserGroups(ids) => AuthRequest { remove: ids, ..nothing },
    }
}

/// A generated token is drawn by Secrets Manager just before it is stored. Should the call be repeated with another
/// token, Secrets Manager refuses the second one, and the next observation finds the first.
async fn create_secret(aws: &Aws, secret: &NewSecret, request: &str) -> Result<Made, Fault> {
    let NewSecret {
        name,
        description,
        engine,
        replication_group,
        kms_key_id,
        token,
        existing,
        restore,
        version: decided,
        others,
        tags,
    } = secret;
    let token: AuthToken = match token {
        Some(token) => token.clone(),
        None => aws.random_token().await?,
    };
    let credentials = SecretContent::of_token(engine, &token, replication_group);
    let mut content = SecretContent { others: others.clone(), ..credentials };
    let version = decided.clone().unwrap_or_else(|| version(&[request, name]));
    if let Some(arn) = existing {
        if *restore {
            aws.restore_secret(arn).await?;
        }
        aws.tag_secret(arn, tags).await?;
        content.others = aws.other_keys(arn).await?;
        aws.put_secret(arn, &content, &version).await?;
        return Ok(Made::Nothing);
    }
    let arn = aws.create_secret(name, description, kms_key_id.as_deref(), &content, &version, tags).await?;
    Ok(Made::Secret(Box::new(Secret {
        arn,
        name: name.clone(),
        description: description.clone(),
        tags: tags.clone(),
        kms_key_id: kms_key_id.clone(),
        stages: [(STAGE_CURRENT.to_owned(), version)].into(),
        content: Some(content),
        ..Secret::default()
    })))
}

/// As with a new secret, a repeated call with another generated token is refused, and the first one stays.
async fn stage_secret(aws: &Aws, staged: &StagedSecret) -> Result<(), Fault> {
    let token = match &staged.token {
        Some(token) => token.clone(),
        None => aws.random_token().await?,
    };
    aws.stage_secret(&staged.arn, &staged.content.with_token(&token), &staged.version).await
}

/// A version id of a secret: 32 to 64 characters.
fn version(parts: &[&str]) -> String {
    hash(parts, 40)
}
