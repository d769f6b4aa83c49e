//! A program that is held and copied: each copy sees the files as they are then, and nothing disturbs the one that is held.

use std::fs;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use crashtest_linux::process::Exit;
use crashtest_linux::trace::{Copies, CopyEnd, NotHeld};

use crate::victim::orphan;
use crate::witness::{left_over, trace};

const LIMIT: Duration = Duration::from_secs(20);

/// Holds `words` before it touches `dir`.
fn hold(words: &[&str], dir: &Path) -> Result<Copies, NotHeld> {
    let mut command = Command::new(words[0]);
    command.args(&words[1..]);
    let body = move || {
        let _ = command.exec();
        127
    };
    Copies::hold(body, dir, LIMIT, &mut || false).unwrap()
}

pub(crate) fn each_copy_sees_the_files_as_they_are_then() {
    let scratch = tempfile::tempdir().unwrap();
    let (dir, to) = (scratch.path().join("state"), scratch.path().join("to"));
    fs::create_dir(&dir).unwrap();
    let from = dir.join("f");
    let mut copies =
        hold(&["cp", from.to_str().unwrap(), to.to_str().unwrap()], &dir).unwrap_or_else(|why| panic!("{why:?}"));
    for n in 0..40 {
        fs::write(&from, format!("{n}")).unwrap();
        // It has looked there before it was held.
        let _ = fs::remove_file(&to);
        assert_eq!(copies.run(LIMIT, &mut || false).unwrap(), CopyEnd::Exited(Exit::Status(0)));
        assert_eq!(fs::read_to_string(&to).unwrap(), format!("{n}"));
        if n == 20 {
            // A run with several processes kills what it does not know of: not the one that is held.
            trace(
                |_| {
                    orphan(|| 5);
                    3
                },
                |_, _| (),
            );
        }
    }
    fs::remove_file(&from).unwrap();
    assert_eq!(copies.run(LIMIT, &mut || false).unwrap(), CopyEnd::Exited(Exit::Status(1)), "it is not there");
    drop(copies);
    assert!(left_over().is_empty());
}

pub(crate) fn what_does_not_look_or_is_several_is_not_held() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("f");
    let path = path.to_str().unwrap();
    assert_eq!(hold(&["true"], dir.path()).err(), Some(NotHeld::NeverLooked));
    assert_eq!(hold(&["sh", "-c", &format!("cat {path}; true")], dir.path()).err(), Some(NotHeld::Several));
    assert_eq!(hold(&["no-such-program-9"], dir.path()).err(), Some(NotHeld::NeverLooked));
    assert!(left_over().is_empty());
}
