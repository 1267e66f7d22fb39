//! A rotation: Secrets Manager has a function take its four steps.

use std::time::Duration;

use serde_json::json;

use super::rotation::Trial;
use super::secret::{CURRENT, PENDING};
use crate::lambda::Function;
use crate::local_aws::LocalAws;

/// The steps, in their order.
pub const STEPS: [&str; 4] = ["createSecret", "setSecret", "testSecret", "finishSecret"];

/// How often a step that failed is tried again. AWS says "several times" and no more.
const TRIES: usize = 3;
/// Simulated time before that.
const RETRY_PAUSE: Duration = Duration::from_secs(30);

/// Runs the rotation that RotateSecret announced, or that has not ended, to its end.
///
/// # Errors
/// There is none, or what its step failed with at last; its version stays pending.
pub async fn rotate_with(aws: &LocalAws, function: &dyn Function, secret: &str) -> Result<(), String> {
    let announced = aws.with(|world, _| {
        let secret = world.secrets.secret(secret)?;
        let pending = secret.staged(PENDING).filter(|pending| Some(*pending) != secret.staged(CURRENT))?;
        let function = secret.rotation.as_ref()?.function()?;
        Some((secret.arn.clone(), function, pending.to_owned()))
    });
    let (arn, through, version) = announced.ok_or("no rotation is under way")?;
    for step in STEPS {
        let event = json!({"SecretId": arn, "ClientRequestToken": version, "Step": step});
        let mut tries = 0;
        while let Err(failure) = function.invoke_through(&through, event.clone()).await {
            tries += 1;
            if tries == TRIES {
                return Err(format!("{step}: {failure}"));
            }
            aws.clock().sleep(RETRY_PAUSE).await;
        }
    }
    Ok(())
}

/// Version that a trial tests.
const TRIAL_VERSION: &str = "7c0d3c1e-0000-4000-8000-000000000001";

/// Tries a schedule out, as RotateSecret does that is not to rotate at once: the function has one step to take, for a
/// version that is removed again (guide, "RotateImmediately").
///
/// # Errors
/// The secret has no schedule, or what the step failed with.
pub async fn try_schedule(aws: &LocalAws, function: &dyn Function, secret: &str, trial: Trial) -> Result<(), String> {
    let begun = aws.with(|world, now| world.secrets.begin_trial(secret, TRIAL_VERSION, trial, now));
    let (arn, through) = begun.ok_or("the secret has no schedule")?;
    let event = json!({
        "SecretId": arn,
        "ClientRequestToken": TRIAL_VERSION,
        "Step": "testSecret",
    });
    let result = function.invoke_through(&through, event).await.map(drop);
    aws.with(|world, _| world.secrets.end_trial(secret, TRIAL_VERSION));
    result
}
