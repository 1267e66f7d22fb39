//! The AWS CLI against the local AWS.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use serde_json::Value;
use tokio::process::Command;

use crate::wire::credential::ADMINISTRATOR_KEY;
use crate::world::REGION;

/// The given CLI, or `aws` on the `PATH`.
#[must_use]
pub fn find(given: Option<&Path>) -> Option<PathBuf> {
    if let Some(given) = given {
        return Some(given.to_owned());
    }
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|folder| folder.join("aws")).find(|program| program.is_file())
}

/// Runs one command as the administrator of the local AWS at `endpoint`, and reads its JSON.
///
/// # Errors
/// It does not run, fails, or prints no JSON.
pub async fn run(program: &Path, endpoint: &str, arguments: &[&str]) -> Result<Value, String> {
    let output = Command::new(program)
        .args(arguments)
        .args(["--endpoint-url", endpoint, "--output", "json"])
        .envs([
            ("AWS_ACCESS_KEY_ID", ADMINISTRATOR_KEY),
            ("AWS_SECRET_ACCESS_KEY", "any"),
            ("AWS_REGION", REGION),
            ("AWS_DEFAULT_REGION", REGION),
            ("AWS_PAGER", ""),
            ("AWS_EC2_METADATA_DISABLED", "true"),
            // Whatever the user has configured is about another account.
            ("AWS_CONFIG_FILE", "/dev/null"),
            ("AWS_SHARED_CREDENTIALS_FILE", "/dev/null"),
        ])
        .env_remove("AWS_PROFILE")
        .env_remove("AWS_SESSION_TOKEN")
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output()
        .await
        .map_err(|e| format!("{} does not run: {e}", program.display()))?;
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).trim().to_owned());
    }
    // Calls that answer nothing print nothing.
    if output.stdout.is_empty() {
        return Ok(Value::Null);
    }
    serde_json::from_slice(&output.stdout).map_err(|e| format!("no JSON: {e}"))
}
