//! Stacks against functions that are a few lines long.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use serde_json::{Value, json};

use super::{AnswerStatus, Stack, StackStatus};
use crate::local_aws::LocalAws;

/// What the function does with an event.
#[derive(Clone, Debug)]
enum Act {
    /// Answers SUCCESS with this id.
    Succeed(&'static str),
    /// Answers FAILED with this id.
    Fail(&'static str),
    /// Ends without an answer.
    Ignore,
    /// Fails as a Lambda invocation.
    Crash,
}

/// A local AWS with a stack whose function acts as told, event by event.
fn stack(acts: impl IntoIterator<Item = Act>) -> (LocalAws, Stack) {
    let aws = LocalAws::new(1.0, None);
    let acts = Arc::new(Mutex::new(acts.into_iter().collect::<VecDeque<_>>()));
    let inside = aws.clone();
    let function = move |event: Value| {
        let (aws, act) = (inside.clone(), acts.lock().unwrap().pop_front().unwrap_or(Act::Crash));
        async move {
            aws.clock().sleep(Duration::from_secs(10)).await;
            match act {
                Act::Succeed(id) => answer(&aws, &event, "SUCCESS", id),
                Act::Fail(id) => answer(&aws, &event, "FAILED", id),
                Act::Ignore => {}
                Act::Crash => return Err("crashed".to_owned()),
            }
            Ok(())
        }
    };
    let stack = Stack::new(&aws, function, "shop");
    (aws, stack)
}

fn answer(aws: &LocalAws, event: &Value, status: &str, id: &str) {
    let mut body = json!({"Status": status, "PhysicalResourceId": id, "Reason": "because"});
    for key in ["RequestId", "StackId", "LogicalResourceId"] {
        body[key] = event[key].clone();
    }
    if event["RequestType"] != "Delete" {
        body["Data"] = json!({"Id": id});
    }
    let body = Bytes::from(body.to_string());
    let request = http::Request::put(event["ResponseURL"].as_str().unwrap()).header("content-length", body.len());
    aws.answers().accept(&request.body(body).unwrap(), aws.clock().now()).unwrap();
}

/// `RequestType PhysicalResourceId` of what was sent.
fn sent(requests: &[Value]) -> Vec<String> {
    let text = |request: &Value, key: &str| request[key].as_str().unwrap_or("-").to_owned();
    requests.iter().map(|r| format!("{} {}", text(r, "RequestType"), text(r, "PhysicalResourceId"))).collect()
}

#[tokio::test(start_paused = true)]
async fn a_create_is_sent_as_cloudformation_sends_it() {
    let (aws, stack) = stack([Act::Succeed("a"), Act::Succeed("a")]);
    let created = stack.create("Cache", json!({"Port": 6379, "Tags": [{"Key": "On", "Value": true}]})).await;
    assert_eq!((created.status, created.physical_id.as_str()), (StackStatus::CreateComplete, "a"));
    assert_eq!(created.get_att("Id"), Ok("a"));
    let missing = created.get_att("Endpoint").unwrap_err();
    assert!(missing.contains("Vendor response doesn't contain Endpoint attribute"), "{missing}");

    let event = &created.requests[0];
    assert_eq!(event["ResourceProperties"]["Port"], "6379");
    assert_eq!(event["ResourceProperties"]["Tags"][0]["Value"], "true");
    assert_eq!(event["ResourceProperties"]["ServiceToken"], event["ServiceToken"]);
    assert!(event.get("PhysicalResourceId").is_none() && event.get("OldResourceProperties").is_none());
    assert!(aws.answers().violations().is_empty());

    let deleted = stack.delete_stack().await;
    assert_eq!(deleted[0].status, StackStatus::DeleteComplete);
    assert_eq!(sent(&deleted[0].requests), ["Delete a"]);
    assert_eq!(stack.delete("Cache").await.requests.len(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_failed_create_is_deleted_under_the_id_of_the_answer() {
    let (_, stack) = stack([Act::Fail("half"), Act::Succeed("half")]);
    let outcome = stack.create("Cache", json!({})).await;
    assert_eq!(outcome.status, StackStatus::RollbackComplete);
    assert!(outcome.reason.contains("Message returned: because (RequestId: "), "{}", outcome.reason);
    assert_eq!(sent(&outcome.requests), ["Create -", "Delete half"]);
    assert_eq!(outcome.answers[0].status, AnswerStatus::Failed);
}

#[tokio::test(start_paused = true)]
async fn an_unanswered_create_is_deleted_under_a_made_up_id() {
    let (aws, stack) = stack([Act::Ignore, Act::Ignore]);
    let start = aws.clock().now();
    let outcome = stack.create("Cache", json!({"ServiceTimeout": 100})).await;
    assert_eq!(outcome.status, StackStatus::RollbackFailed);
    assert_eq!(aws.clock().now().since(start), Duration::from_secs(200));
    assert!(outcome.reason.contains("did not receive a response"), "{}", outcome.reason);
    let made_up = outcome.requests[1]["PhysicalResourceId"].as_str().unwrap();
    assert!(made_up.starts_with("shop-Cache-") && made_up.len() == 23, "{made_up}");
}

#[tokio::test(start_paused = true)]
async fn an_update_to_a_new_id_deletes_the_old_one() {
    let (_, stack) = stack([Act::Succeed("a"), Act::Succeed("b"), Act::Fail("a"), Act::Succeed("b")]);
    stack.create("Cache", json!({"Port": 1})).await;
    assert_eq!(stack.update("Cache", json!({"Port": "1"})).await.requests.len(), 0);
    let updated = stack.update("Cache", json!({"Port": 2})).await;
    // CloudFormation gives up on a clean-up that fails.
    assert_eq!((updated.status, updated.physical_id.as_str()), (StackStatus::UpdateComplete, "b"));
    assert_eq!(sent(&updated.requests), ["Update a", "Delete a"]);
    assert_eq!(updated.requests[0]["OldResourceProperties"]["Port"], "1");
    assert_eq!(updated.requests[1]["ResourceProperties"]["Port"], "1");
    assert_eq!(sent(&stack.delete("Cache").await.requests), ["Delete b"]);
}

#[tokio::test(start_paused = true)]
async fn a_failed_update_goes_back_with_the_properties_swapped() {
    let (_, stack) = stack([Act::Succeed("a"), Act::Fail("a"), Act::Succeed("a"), Act::Fail("a"), Act::Fail("a")]);
    stack.create("Cache", json!({"Port": 1})).await;
    let outcome = stack.update("Cache", json!({"Port": 2})).await;
    assert_eq!(outcome.status, StackStatus::UpdateRollbackComplete);
    assert_eq!(sent(&outcome.requests), ["Update a", "Update a"]);
    let back = &outcome.requests[1];
    assert_eq!(
        (&back["ResourceProperties"]["Port"], &back["OldResourceProperties"]["Port"]),
        (&json!("1"), &json!("2"))
    );
    assert_eq!(stack.update("Cache", json!({"Port": 3})).await.status, StackStatus::UpdateRollbackFailed);
}

#[tokio::test(start_paused = true)]
async fn a_rollback_after_a_replacement_deletes_what_it_does_not_return_to() {
    let (_, stack) = stack([Act::Succeed("a"), Act::Succeed("b"), Act::Succeed("a"), Act::Succeed("b")]);
    stack.create("Cache", json!({"Port": 1})).await;
    stack.fail_elsewhere();
    let outcome = stack.update("Cache", json!({"Port": 2})).await;
    assert_eq!((outcome.status, outcome.physical_id.as_str()), (StackStatus::UpdateRollbackComplete, "a"));
    assert_eq!(sent(&outcome.requests), ["Update a", "Update b", "Delete b"]);
}

#[tokio::test(start_paused = true)]
async fn a_crashed_invocation_is_retried_after_one_and_two_minutes() {
    let (aws, stack) = stack([Act::Crash, Act::Crash, Act::Succeed("a")]);
    let start = aws.clock().now();
    assert_eq!(stack.create("Cache", json!({})).await.status, StackStatus::CreateComplete);
    assert_eq!(aws.clock().now().since(start), Duration::from_secs(10 + 60 + 10 + 120 + 10));
}

#[tokio::test(start_paused = true)]
async fn pairs_of_an_event_answer_twice() {
    let (aws, stack) = stack([Act::Succeed("a"), Act::Succeed("a")]);
    stack.deliver_twice(true);
    stack.create("Cache", json!({})).await;
    stack.wait_until_idle().await;
    assert_eq!(aws.answers().duplicates().iter().map(|d| d.agrees).collect::<Vec<_>>(), [true]);
}

#[tokio::test(start_paused = true)]
async fn a_raw_request_is_what_the_test_makes_of_it() {
    let (_, stack) = stack([Act::Succeed("a"), Act::Succeed("x"), Act::Ignore]);
    stack.create("Cache", json!({"Port": 1})).await;
    let answer = stack.send("Delete", "Cache", json!({"PhysicalResourceId": "x", "ResourceProperties": null})).await;
    assert_eq!(answer.unwrap().physical_id, "x");
    let unanswered = stack.send("Frobnicate", "Cache", json!({"ResponseURL": null})).await;
    assert!(unanswered.unwrap_err().contains("no response URL"));
    assert_eq!(stack.invoke(json!("nonsense")).await, Err("crashed".to_owned()));
}
