//! Removes what runs left, by their tag: nothing without it is touched.

use std::collections::BTreeMap;

use aws_sdk_cloudformation::types::StackStatus;
use aws_sdk_ec2::types::Filter;

use crate::account::{Account, Failure, TAG};

/// Most tries of what waits for something else to go.
const TRIES: usize = 60;

/// Removes everything that carries the tag, of one run or of all; says what it removes, and fails with what it could not.
pub async fn clean(account: &Account, run: Option<&str>, say: impl Fn(&str)) -> Result<(), Failure> {
    let mut left = Vec::new();
    // The caches of the other stacks need the function.
    let (functions, others): (Vec<_>, Vec<_>) = stacks(account, run).await?.into_iter().partition(is_function);
    for (id, status) in others.into_iter().chain(functions) {
        say(&format!("deleting the stack {id}"));
        if let Err(failure) = delete_stack(account, &id, &status).await {
            left.push(failure.0);
        }
    }
    // What a stack could not delete, or forgot.
    let mut found = things(account, run).await?;
    for try_ in 0..TRIES {
        if found.is_empty() {
            break;
        }
        let mut refused = Vec::new();
        for thing in &found {
            if try_ == 0 {
                say(&format!("deleting {thing:?}"));
            }
            if let Err(failure) = delete(account, thing).await {
                refused.push(failure.0);
            }
        }
        found = things(account, run).await?;
        if found.is_empty() {
            break;
        }
        if try_ + 1 == TRIES {
            left.extend(found.iter().map(|thing| format!("{thing:?} is still there: {}", refused.join("; "))));
        }
        tokio::time::sleep(account.pause * 4).await;
    }
    if left.is_empty() { Ok(()) } else { Err(Failure(left.join("\n"))) }
}

fn is_function((id, _): &(String, StackStatus)) -> bool {
    id.split('/').any(|part| part.starts_with("acceptance-") && part.ends_with(&format!("-{}", crate::function::NAME)))
}

async fn stacks(account: &Account, run: Option<&str>) -> Result<Vec<(String, StackStatus)>, Failure> {
    let mut pages = account.cloudformation.describe_stacks().into_paginator().send();
    let mut found = Vec::new();
    while let Some(page) = pages.next().await {
        let page = page.map_err(|e| Failure::of("cannot list the stacks", &e))?;
        let ours =
            page.stacks().iter().filter(|stack| stack.tags().iter().any(|tag| is_ours(run, tag.key(), tag.value())));
        found.extend(ours.filter_map(|stack| Some((stack.stack_id()?.to_owned(), stack.stack_status()?.clone()))));
    }
    Ok(found)
}

async fn delete_stack(account: &Account, id: &str, status: &StackStatus) -> Result<(), Failure> {
    if *status == StackStatus::UpdateInProgress {
        // It may have ended since: then there is nothing to cancel.
        let _ = account.cloudformation.cancel_update_stack().stack_name(id).send().await;
    }
    if *status != StackStatus::CreateInProgress {
        account.ended(id, 0).await?;
    }
    // What it could not delete at first it may later; and the rest is found by its tag.
    for _ in 0..2 {
        account.delete(id).await?;
        if account.ended(id, 0).await?.status == "DELETE_COMPLETE" {
            return Ok(());
        }
    }
    let all = account.cloudformation.delete_stack().stack_name(id).retain_resources(crate::scenarios::CACHE);
    all.send().await.map_err(|e| Failure::of(&format!("cannot delete the stack {id}"), &e))?;
    match account.ended(id, 0).await?.status.as_str() {
        "DELETE_COMPLETE" => Ok(()),
        status => Err(Failure(format!("the stack {id} is {status}"))),
    }
}

/// Something that the function made.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Thing {
    Group(String),
    Snapshot(String),
    ParameterGroup(String),
    SubnetGroup(String),
    SecurityGroup(String),
    Secret(String),
    Alarm(String),
}

async fn things(account: &Account, run: Option<&str>) -> Result<Vec<Thing>, Failure> {
    let cache = &account.elasticache;
    let listed = |e| Failure::of("cannot list what is in ElastiCache", &e);
    let mut named: BTreeMap<String, Thing> = BTreeMap::new();
    let groups = cache.describe_replication_groups().send().await.map_err(|e| Failure::of("cannot list groups", &e))?;
    for group in groups.replication_groups() {
        if let (Some(arn), Some(id)) = (group.arn(), group.replication_group_id()) {
            named.insert(arn.to_owned(), Thing::Group(id.to_owned()));
        }
    }
    let subnets = cache.describe_cache_subnet_groups().send().await.map_err(listed)?;
    for group in subnets.cache_subnet_groups() {
        if let (Some(arn), Some(id)) = (group.arn(), group.cache_subnet_group_name()) {
            named.insert(arn.to_owned(), Thing::SubnetGroup(id.to_owned()));
        }
    }
    let listed = |e| Failure::of("cannot list parameter groups", &e);
    let parameters = cache.describe_cache_parameter_groups().send().await.map_err(listed)?;
    for group in parameters.cache_parameter_groups() {
        if let (Some(arn), Some(id)) = (group.arn(), group.cache_parameter_group_name()) {
            named.insert(arn.to_owned(), Thing::ParameterGroup(id.to_owned()));
        }
    }
    let snapshots = cache.describe_snapshots().send().await.map_err(|e| Failure::of("cannot list snapshots", &e))?;
    let mut found = Vec::new();
    for snapshot in snapshots.snapshots() {
        let (Some(arn), Some(id)) = (snapshot.arn(), snapshot.snapshot_name()) else { continue };
        // A final snapshot carries no tags: its name and that of the cache it is of have the run in them.
        if is_final(run, id, snapshot.replication_group_id().unwrap_or_default()) {
            found.push(Thing::Snapshot(id.to_owned()));
        } else {
            named.insert(arn.to_owned(), Thing::Snapshot(id.to_owned()));
        }
    }
    for (arn, thing) in named {
        // What is being made or deleted does not list its tags, and what belongs to others need not be readable.
        let Ok(tags) = cache.list_tags_for_resource().resource_name(&arn).send().await else { continue };
        if tags.tag_list().iter().any(|tag| is_ours(run, tag.key(), tag.value())) {
            found.push(thing);
        }
    }
    let tagged = Filter::builder().name("tag-key").values(TAG).build();
    let groups = account.ec2.describe_security_groups().filters(tagged).send().await;
    let groups = groups.map_err(|e| Failure::of("cannot list security groups", &e))?;
    let ours = groups.security_groups().iter().filter(|g| g.tags().iter().any(|t| is_ours(run, t.key(), t.value())));
    found.extend(ours.filter_map(|group| Some(Thing::SecurityGroup(group.group_id()?.to_owned()))));
    let mut pages = account.secrets.list_secrets().into_paginator().send();
    while let Some(page) = pages.next().await {
        let page = page.map_err(|e| Failure::of("cannot list secrets", &e))?;
        let ours = page.secret_list().iter().filter(|secret| {
            secret.deleted_date().is_none() && secret.tags().iter().any(|tag| is_ours(run, tag.key(), tag.value()))
        });
        found.extend(ours.filter_map(|secret| Some(Thing::Secret(secret.arn()?.to_owned()))));
    }
    found.extend(alarms(account, run).await?);
    Ok(found)
}

/// Alarms are named after the group that they are of, and so by the run.
async fn alarms(account: &Account, run: Option<&str>) -> Result<Vec<Thing>, Failure> {
    let prefix = format!("a{}", run.unwrap_or_default());
    let mut pages = account.cloudwatch.describe_alarms().alarm_name_prefix(prefix).into_paginator().send();
    let mut found = Vec::new();
    while let Some(page) = pages.next().await {
        let page = page.map_err(|e| Failure::of("cannot list alarms", &e))?;
        for alarm in page.metric_alarms() {
            let (Some(arn), Some(name)) = (alarm.alarm_arn(), alarm.alarm_name()) else { continue };
            // What belongs to others need not be readable.
            let Ok(tags) = account.cloudwatch.list_tags_for_resource().resource_arn(arn).send().await else { continue };
            if tags.tags().iter().any(|tag| is_ours(run, tag.key(), tag.value())) {
                found.push(Thing::Alarm(name.to_owned()));
            }
        }
    }
    Ok(found)
}

fn is_ours(run: Option<&str>, key: Option<&str>, value: Option<&str>) -> bool {
    key == Some(TAG) && (run.is_none() || value == run)
}

/// `a<run>-final...` of a cache `a<run>-...`.
fn is_final(only: Option<&str>, name: &str, group: &str) -> bool {
    let Some((run, rest)) = name.split_once('-') else { return false };
    let id = run.strip_prefix('a').unwrap_or_default();
    let is_run = id.len() == 4 && id.chars().all(|c| c.is_ascii_hexdigit()) && only.is_none_or(|only| only == id);
    is_run && rest.starts_with("final") && (group.is_empty() || group.starts_with(&format!("{run}-")))
}

async fn delete(account: &Account, thing: &Thing) -> Result<(), Failure> {
    let cache = &account.elasticache;
    let what = format!("cannot delete {thing:?}");
    match thing {
        Thing::Group(id) => {
            let sent = cache.delete_replication_group().replication_group_id(id).send().await;
            sent.map(drop).map_err(|e| Failure::of(&what, &e))
        }
        Thing::Snapshot(id) => {
            let sent = cache.delete_snapshot().snapshot_name(id).send().await;
            sent.map(drop).map_err(|e| Failure::of(&what, &e))
        }
        Thing::ParameterGroup(id) => {
            let sent = cache.delete_cache_parameter_group().cache_parameter_group_name(id).send().await;
            sent.map(drop).map_err(|e| Failure::of(&what, &e))
        }
        Thing::SubnetGroup(id) => {
            let sent = cache.delete_cache_subnet_group().cache_subnet_group_name(id).send().await;
            sent.map(drop).map_err(|e| Failure::of(&what, &e))
        }
        Thing::SecurityGroup(id) => {
            let sent = account.ec2.delete_security_group().group_id(id).send().await;
            sent.map(drop).map_err(|e| Failure::of(&what, &e))
        }
        Thing::Secret(arn) => {
            let sent = account.secrets.delete_secret().secret_id(arn).force_delete_without_recovery(true).send().await;
            sent.map(drop).map_err(|e| Failure::of(&what, &e))
        }
        Thing::Alarm(name) => {
            let sent = account.cloudwatch.delete_alarms().alarm_names(name).send().await;
            sent.map(drop).map_err(|e| Failure::of(&what, &e))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_final_snapshots_of_runs_go_by_their_name() {
        assert!(is_final(None, "a1f2c-final-20261126", "a1f2c-token-valkey"));
        assert!(!is_final(Some("ffff"), "a1f2c-final-20261126", "a1f2c-token-valkey"));
        assert!(!is_final(None, "a1f2c-final", "production-myapp-valkey"));
        assert!(!is_final(None, "production-final", "production-myapp-valkey"));
        assert!(!is_final(None, "axyzw-final", "axyzw-b"));
    }
}
