//! Asking a binary with somebody else's targets to describe itself.

use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;
use std::{fs, io, thread};

use crashtest_linux::process::Exit;
use crashtest_linux::supervision::{self, Group};
use serde::Deserialize;

use super::description::Description;
use crate::error::{EngineError, TargetsError};
use crate::protocol::PROTOCOL;

/// The argument that asks a targets binary to describe itself.
pub(super) const DESCRIBE: &str = "describe";
/// No description is longer, in bytes.
const LONGEST: u64 = 16 << 20;

/// Asks the binary at `path` to describe its targets, and waits at most `limit` for it. Nothing of it is left when this returns.
///
/// # Errors
/// [`EngineError::Targets`]: it is not there, cannot be run, says nothing or something else, or speaks another protocol.
pub fn describe(path: &Path, limit: Duration) -> Result<Description, EngineError> {
    asked(path, limit).map_err(|source| EngineError::Targets { path: path.to_owned(), source })
}

fn asked(path: &Path, limit: Duration) -> Result<Description, TargetsError> {
    let metadata = fs::metadata(path).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => TargetsError::Missing,
        _ => TargetsError::Run(error),
    })?;
    if !metadata.is_file() || metadata.permissions().mode() & 0o111 == 0 {
        return Err(TargetsError::NotExecutable);
    }
    supervision::adopt_orphans().map_err(TargetsError::Run)?;
    let mut child = Command::new(path)
        .arg(DESCRIBE)
        .process_group(0)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .map_err(TargetsError::Run)?;
    let mut group = Group::lead_by(&child);
    let Some(output) = child.stdout.take() else { return Err(TargetsError::Mute("no pipe".to_owned())) };
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        let mut said = Vec::new();
        let read = output.take(LONGEST).read_to_end(&mut said).map(|_| said);
        // Nobody listens any more after the limit.
        let _ = sender.send(read);
    });
    let said = receiver.recv_timeout(limit).map_err(|_| TargetsError::Silent(limit))?.map_err(TargetsError::Run)?;
    let parsed = understood(&said);
    match parsed {
        Err(TargetsError::Mute(why)) => {
            group.kill();
            let how = group.exit_within(Duration::ZERO).ok().flatten().map_or("goes on".to_owned(), Exit::in_words);
            Err(TargetsError::Mute(format!("it {how}, {why}")))
        }
        parsed => parsed,
    }
}

/// The description that `said` is. The protocol is looked at before anything that depends on it.
fn understood(said: &[u8]) -> Result<Description, TargetsError> {
    #[derive(Deserialize)]
    struct Version {
        protocol: u32,
        #[serde(default)]
        version: String,
    }
    if said.is_empty() {
        return Err(TargetsError::Mute("without a word".to_owned()));
    }
    let mute = |error: serde_json::Error| TargetsError::Mute(format!("and what it said is no description: {error}"));
    let Version { protocol: theirs, version } = serde_json::from_slice(said).map_err(mute)?;
    if theirs != PROTOCOL {
        return Err(TargetsError::Protocol { ours: PROTOCOL, theirs, version });
    }
    serde_json::from_slice(said).map_err(mute)
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;

    /// A script that stands for a targets binary.
    fn script(dir: &Path, text: &str) -> std::path::PathBuf {
        let path = dir.join("targets");
        fs::write(&path, format!("#!/bin/sh\n{text}\n")).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        path
    }

    fn refusal(text: &str, limit: Duration) -> String {
        let dir = tempfile::tempdir().unwrap();
        // Another test may fork while the script is open for writing: it is then busy for a moment (execve(2), ETXTBSY).
        loop {
            let error = describe(&script(dir.path(), text), limit).unwrap_err().to_string();
            if !error.contains("Text file busy") {
                return error;
            }
        }
    }

    #[test]
    fn a_binary_that_does_not_describe_itself_is_refused_with_the_reason() {
        let enough = Duration::from_secs(30);
        let ours = format!("echo '{{\"protocol\": {PROTOCOL}}}'");
        for (text, why) in [
            ("exit 0", "it exited with status 0, without a word"),
            ("echo hello; exit 3", "it exited with status 3, and what it said is no description"),
            (&*ours, "what it said is no description: missing field `version`"),
            ("echo '{\"protocol\": 99, \"version\": \"9.0\"}'", "speaks protocol 99 (crashtest 9.0)"),
        ] {
            let said = refusal(text, enough);
            assert!(said.contains(why), "{text}: {said}");
        }
    }

    #[test]
    fn a_binary_that_says_nothing_is_given_up_after_the_limit_and_does_not_go_on() {
        let began = Instant::now();
        let said = refusal("sleep 1000", Duration::from_millis(300));
        assert!(said.contains("did not describe itself within 0.3 s"), "{said}");
        assert!(began.elapsed() < Duration::from_secs(20), "nobody waits for it");
    }

    #[test]
    fn what_is_no_program_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("file");
        fs::write(&file, "").unwrap();
        let limit = Duration::from_secs(30);
        for (path, why) in [(dir.path(), "not an executable"), (&file, "not an executable")] {
            assert!(describe(path, limit).unwrap_err().to_string().contains(why));
        }
        let missing = describe(&dir.path().join("none"), limit).unwrap_err();
        assert!(missing.to_string().contains("there is no such file") && missing.hint().is_some());
    }
}
