//! What a directory held by its descriptor does when its name, or what is in it, is turned against us.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;

use super::*;

/// A directory with `ours` and `outside/precious` in it.
fn place() -> (tempfile::TempDir, Directory, PathBuf) {
    let place = tempfile::tempdir().unwrap();
    let root = fs::canonicalize(place.path()).unwrap();
    fs::create_dir(root.join("ours")).unwrap();
    fs::create_dir(root.join("outside")).unwrap();
    let precious = root.join("outside/precious");
    fs::write(&precious, "data").unwrap();
    (place, Directory::ours(&root.join("ours")).unwrap(), precious)
}

fn replaced(ours: &Directory) -> Replaced {
    match ours.check() {
        Err(DirectoryError::Replaced { how, .. }) => how,
        other => panic!("{other:?}"),
    }
}

#[test]
fn what_replaces_a_directory_is_told_apart() {
    let (place, ours, _) = place();
    ours.check().unwrap();
    let path = ours.path().to_owned();
    fs::rename(&path, place.path().join("away")).unwrap();
    assert_eq!(replaced(&ours), Replaced::Gone);
    symlink(place.path().join("outside"), &path).unwrap();
    assert_eq!(replaced(&ours), Replaced::Link(place.path().join("outside")));
    fs::remove_file(&path).unwrap();
    fs::create_dir(&path).unwrap();
    assert_eq!(replaced(&ours), Replaced::Directory);
    fs::remove_dir(&path).unwrap();
    fs::write(&path, "").unwrap();
    assert_eq!(replaced(&ours), Replaced::File);
    fs::remove_file(&path).unwrap();
    fs::rename(place.path().join("away"), &path).unwrap();
    ours.check().unwrap();
}

#[test]
fn emptying_a_replaced_directory_reaches_the_one_that_was_made() {
    let (place, ours, precious) = place();
    fs::write(ours.path().join("file"), "").unwrap();
    fs::rename(ours.path(), place.path().join("away")).unwrap();
    symlink(place.path().join("outside"), ours.path()).unwrap();
    ours.empty().unwrap();
    assert_eq!(fs::read(precious).unwrap(), b"data");
    assert_eq!(fs::read_dir(place.path().join("away")).unwrap().count(), 0);
}

#[test]
fn no_operation_goes_through_a_link_or_upwards() {
    let (place, ours, precious) = place();
    symlink(place.path().join("outside"), ours.path().join("link")).unwrap();
    symlink(&precious, ours.path().join("file")).unwrap();
    for name in ["file", "link/precious", "../outside/precious", "/etc/passwd"] {
        let name = Path::new(name);
        assert!(ours.open_file(name).is_err(), "{name:?}");
        assert!(ours.create(name, 0o600).is_err(), "{name:?}");
    }
    for name in ["link/precious", "../outside/precious", "link/new", "..", "link/.."] {
        let name = Path::new(name);
        assert!(ours.remove_file(name).is_err(), "{name:?}");
        assert!(ours.remove_tree(name).is_err(), "{name:?}");
        assert!(ours.make(name, 0o700).is_err(), "{name:?}");
        assert!(ours.link(Path::new("x"), name).is_err(), "{name:?}");
        assert!(ours.rename(Path::new("file"), &ours, name).is_err(), "{name:?}");
    }
    assert!(ours.open(Path::new("link")).is_err() && ours.remove_tree(Path::new("link")).is_err());
    ours.empty().unwrap();
    assert_eq!((fs::read(&precious).unwrap(), ours.list().unwrap()), (b"data".to_vec(), Vec::new()));
}

#[test]
fn a_replaced_file_is_whole_and_a_link_in_its_way_is_not_followed() {
    let (_place, ours, precious) = place();
    symlink(&precious, ours.path().join("summary.partial")).unwrap();
    symlink(&precious, ours.path().join("summary")).unwrap();
    ours.replace(OsStr::new("summary"), b"new").unwrap();
    assert_eq!(fs::read(&precious).unwrap(), b"data");
    assert_eq!(ours.read(Path::new("summary")).unwrap(), b"new");
    assert_eq!(ours.list().unwrap(), [Listed { name: "summary".into(), kind: Kind::File }]);
}

#[test]
fn a_pipe_in_place_of_a_file_is_an_error_and_does_not_block() {
    let (_place, ours, _) = place();
    nix::unistd::mkfifo(&ours.path().join("pipe"), nix::sys::stat::Mode::S_IRWXU).unwrap();
    assert!(ours.open_file(Path::new("pipe")).is_err());
    assert_eq!(ours.kind(Path::new("pipe")).unwrap(), Some(Kind::Special));
    ours.empty().unwrap();
}

#[test]
fn directories_without_rights_are_removed_too() {
    let (_place, ours, _) = place();
    fs::create_dir_all(ours.path().join("a/b")).unwrap();
    fs::write(ours.path().join("a/b/c"), "").unwrap();
    for closed in ["a/b", "a"] {
        fs::set_permissions(ours.path().join(closed), fs::Permissions::from_mode(0o000)).unwrap();
    }
    ours.empty().unwrap();
    assert!(ours.list().unwrap().is_empty());
}

#[test]
fn many_names_are_all_listed() {
    let (_place, ours, _) = place();
    for n in 0..700 {
        fs::write(ours.path().join(format!("a-name-that-is-not-short-{n}")), "").unwrap();
    }
    assert_eq!((ours.list().unwrap().len(), ours.list().unwrap().len()), (700, 700));
}

#[test]
fn a_lock_is_held_by_one_and_free_when_that_one_is_gone() {
    let (_place, ours, _) = place();
    let other = Directory::ours(ours.path()).unwrap();
    assert_eq!((ours.lock().unwrap(), other.lock().unwrap()), (true, false));
    drop(ours);
    assert!(other.lock().unwrap());
}
