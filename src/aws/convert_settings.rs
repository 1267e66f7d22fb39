//! The settings of [`Settings`] as the SDK has them: in the calls that make and change a group, and in what AWS shows.

use aws_sdk_elasticache::operation::create_replication_group::builders::CreateReplicationGroupFluentBuilder as Create;
use aws_sdk_elasticache::operation::modify_replication_group::builders::ModifyReplicationGroupFluentBuilder as Modify;
use aws_sdk_elasticache::types::{CacheCluster, ReplicationGroup};

use crate::properties::Settings;

/// Adds them to the call that makes a group.
pub(super) fn create(call: Create, settings: &Settings) -> Create {
    let Settings {
        snapshot_retention_limit,
        snapshot_window,
        maintenance_window,
        auto_minor_version_upgrade,
        notification_topic_arn,
    } = settings.clone();
    call.set_snapshot_retention_limit(snapshot_retention_limit)
        .set_snapshot_window(snapshot_window)
        .set_preferred_maintenance_window(maintenance_window)
        .set_auto_minor_version_upgrade(auto_minor_version_upgrade)
        .set_notification_topic_arn(notification_topic_arn.flatten())
}

/// Adds those that change to the call that changes a group.
pub(super) fn modify(call: Modify, settings: &Settings) -> Modify {
    let Settings {
        snapshot_retention_limit,
        snapshot_window,
        maintenance_window,
        auto_minor_version_upgrade,
        notification_topic_arn,
    } = settings.clone();
    let status = notification_topic_arn.as_ref().map(|topic| if topic.is_some() { "active" } else { "inactive" });
    call.set_snapshot_retention_limit(snapshot_retention_limit)
        .set_snapshot_window(snapshot_window)
        .set_preferred_maintenance_window(maintenance_window)
        .set_auto_minor_version_upgrade(auto_minor_version_upgrade)
        .set_notification_topic_arn(notification_topic_arn.flatten())
        .set_notification_topic_status(status.map(str::to_owned))
}

/// What AWS shows on the group.
pub(super) fn of_group(group: &ReplicationGroup) -> Settings {
    Settings {
        snapshot_retention_limit: Some(group.snapshot_retention_limit().unwrap_or(0)),
        snapshot_window: Some(group.snapshot_window().unwrap_or_default().to_owned()),
        auto_minor_version_upgrade: group.auto_minor_version_upgrade(),
        maintenance_window: None,
        notification_topic_arn: None,
    }
}

/// What AWS shows on members only.
pub(super) fn of_member(member: &CacheCluster) -> Settings {
    let topic = member.notification_configuration().filter(|topic| topic.topic_status() != Some("inactive"));
    let window = member.preferred_maintenance_window().unwrap_or_default();
    Settings {
        maintenance_window: Some(window.to_ascii_lowercase()),
        notification_topic_arn: Some(topic.and_then(|topic| topic.topic_arn()).map(str::to_owned)),
        snapshot_retention_limit: None,
        snapshot_window: None,
        auto_minor_version_upgrade: None,
    }
}
