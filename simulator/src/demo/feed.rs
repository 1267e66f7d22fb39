//! The live feed: API calls, changes of status and what the function waits for, as they happen.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde_json::Value;
use simulator::LocalAws;
use simulator::journal::Entry;
use simulator::lambda::Line;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use super::console;
use super::screen::{Screen, Style};

/// How often statuses are looked at. Real time: only the reader's eye counts.
const LOOK: Duration = Duration::from_millis(100);

/// Parameters that say what a call is about, the most telling first.
const SUBJECTS: [&str; 12] = [
    "ReplicationGroupId",
    "CacheParameterGroupName",
    "CacheSubnetGroupName",
    "CacheClusterId",
    "SnapshotName",
    "ResourceName",
    "GroupName",
    "GroupId",
    "SecretId",
    "Name",
    "FunctionName",
    "SourceIdentifier",
];

/// The feed runs until this is dropped.
pub(crate) struct Feed {
    flushes: UnboundedSender<oneshot::Sender<()>>,
    task: JoinHandle<()>,
}

impl Feed {
    pub(crate) fn start(aws: &LocalAws, screen: Screen, lines: UnboundedReceiver<Line>) -> Feed {
        let (flushes, requests) = unbounded_channel();
        let watcher = Watcher {
            calls: aws.subscribe(),
            aws: aws.clone(),
            screen,
            lines,
            statuses: BTreeMap::new(),
            shown: BTreeSet::new(),
            last_words: String::new(),
        };
        Feed { flushes, task: tokio::spawn(watcher.run(requests)) }
    }

    /// Waits until everything that happened so far is printed.
    pub(crate) async fn flush(&self) {
        let (done, flushed) = oneshot::channel();
        if self.flushes.send(done).is_ok() {
            // The feed ends only with the demo.
            let _ = flushed.await;
        }
    }
}

impl Drop for Feed {
    fn drop(&mut self) {
        self.task.abort();
    }
}

struct Watcher {
    aws: LocalAws,
    screen: Screen,
    calls: UnboundedReceiver<Entry>,
    lines: UnboundedReceiver<Line>,
    statuses: BTreeMap<String, String>,
    /// Reads and failures shown since something was written: what is repeated is shown once.
    shown: BTreeSet<String>,
    last_words: String,
}

impl Watcher {
    async fn run(mut self, mut requests: UnboundedReceiver<oneshot::Sender<()>>) {
        let mut looks = tokio::time::interval(LOOK);
        loop {
            let flush = tokio::select! {
                Some(call) = self.calls.recv() => { self.call(&call); None }
                Some(line) = self.lines.recv() => { self.words(&line); None }
                _ = looks.tick() => { self.look(); None }
                Some(done) = requests.recv() => Some(done),
            };
            if let Some(done) = flush {
                while let Ok(call) = self.calls.try_recv() {
                    self.call(&call);
                }
                while let Ok(line) = self.lines.try_recv() {
                    self.words(&line);
                }
                self.look();
                // Who asked may be gone.
                let _ = done.send(());
            }
        }
    }

    fn call(&mut self, call: &Entry) {
        let subject = SUBJECTS.iter().find_map(|key| call.params.get(key)).map(shown).unwrap_or_default();
        let subject = subject.rsplit(':').next().unwrap_or_default();
        let error = call.outcome.as_ref().err().map(|code| format!("  → {code}")).unwrap_or_default();
        let text = format!("{:<14} {} {subject}{error}", call.service, call.action);
        if call.is_write() && error.is_empty() {
            self.shown.clear();
            self.screen.event(call.at, Style::Plain, text.trim_end());
        } else if self.shown.insert(format!("{}{error}", call.action)) {
            let style = if call.is_write() { Style::Yellow } else { Style::Dim };
            self.screen.event(call.at, style, text.trim_end());
        }
    }

    /// What the function says: warnings, and what it waits for.
    fn words(&mut self, line: &Line) {
        let log: Value = serde_json::from_str(&line.text).unwrap_or_default();
        let message = ["/fields/message", "/message"].iter().find_map(|path| log.pointer(path)?.as_str());
        let level = log["level"].as_str().unwrap_or("ERROR");
        let said = message.unwrap_or(&line.text);
        let alarming = matches!(level, "WARN" | "ERROR");
        if said.is_empty() || said == self.last_words || !(alarming || said.to_lowercase().contains("waiting for")) {
            return;
        }
        said.clone_into(&mut self.last_words);
        let style = if alarming { Style::Yellow } else { Style::Dim };
        self.screen.event(self.aws.clock().now(), style, &format!("{:<14} {said}", "function"));
    }

    fn look(&mut self) {
        let now: BTreeMap<String, String> = console::statuses(&self.aws).into_iter().collect();
        let at = self.aws.clock().now();
        for (id, status) in &now {
            match self.statuses.get(id) {
                Some(before) if before == status => {}
                Some(before) => self.screen.event(at, Style::Cyan, &format!("{:<14} {id}: {before} → {status}", "")),
                None => self.screen.event(at, Style::Cyan, &format!("{:<14} {id}: {status}", "")),
            }
        }
        for id in self.statuses.keys().filter(|id| !now.contains_key(*id)) {
            self.screen.event(at, Style::Cyan, &format!("{:<14} {id}: gone", ""));
        }
        self.statuses = now;
    }
}

fn shown(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Array(items) => items.iter().map(shown).collect::<Vec<_>>().join(", "),
        other => other.to_string(),
    }
}
