//! The words of an audit: how a file is written, what a kill can do to it, which calls to add.

use crashtest_model::{AuditedFile, Damage, PlainName, Synced, UnderKill, Way, Written};

use crate::number::thousands;

/// How a file is written, the ways separated by semicolons: "3 × temp + rename, no fsync".
pub(super) fn written(file: &AuditedFile) -> String {
    if file.written.is_empty() {
        return "by no call that was seen".to_owned();
    }
    let ways: Vec<String> = file.written.iter().map(way).collect();
    ways.join("; ")
}

fn way(written: &Written) -> String {
    let synced = match (written.way, written.synced) {
        (Way::Map | Way::Move | Way::Remove, _) => "",
        (Way::Rename | Way::Link | Way::DeleteThenRename | Way::RenameEarly, Synced::Both) => {
            ", fsync of file and directory"
        }
        (Way::Rename | Way::Link | Way::DeleteThenRename | Way::RenameEarly, Synced::File) => {
            ", fsync of the file, not of the directory"
        }
        (Way::Rename | Way::Link | Way::DeleteThenRename | Way::RenameEarly, Synced::Directory) => {
            ", fsync of the directory, not of the file"
        }
        (_, synced) if synced.file() => ", fsync",
        _ => ", no fsync",
    };
    let count = if written.count > 1 { format!("{} × ", thousands(written.count)) } else { String::new() };
    format!("{count}{}{synced}", written.way.words())
}

/// "torn, empty or missing".
pub(super) fn any_of(words: &[String]) -> String {
    match words {
        [before @ .., last] if !before.is_empty() => format!("{} or {last}", before.join(", ")),
        _ => words.concat(),
    }
}

/// What a kill can do to a file, of `points` crash points.
pub(super) fn under_kill(file: &AuditedFile, points: u64) -> String {
    let points = thousands(points);
    let damage = |words: &str| {
        let each: Vec<String> =
            file.damage.iter().map(|(damage, n)| format!("{damage} at {}", thousands(*n))).collect();
        format!("{}{words} of {points} crash points", each.join(", "))
    };
    match file.under_kill {
        UnderKill::Broken => damage(""),
        UnderKill::Unknown => "not known: it holds something else than its calls come to".to_owned(),
        UnderKill::NeedsCheck => match file.damage.values().sum() {
            0 => "needs --check".to_owned(),
            between => format!("needs --check: between versions at {} of {points} crash points", thousands(between)),
        },
        UnderKill::WrittenOnce => {
            let each: Vec<String> = file.damage.keys().map(Damage::to_string).collect();
            format!("written once, accepted: {} only while it is made", any_of(&each))
        }
        UnderKill::Whole => format!("whole at all {points} crash points"),
    }
}

/// Why a file needs a checker; `None` where it does not.
pub(super) fn unclear(file: &AuditedFile) -> Option<String> {
    if file.under_kill != UnderKill::NeedsCheck {
        return None;
    }
    let how =
        match file.written.iter().map(|written| written.way).find(|way| Way::Rewrite <= *way && *way <= Way::Append) {
            Some(Way::Map) => "written through a shared mapping, which is not seen",
            Some(Way::Append) => "appended",
            _ => "written in place",
        };
    let names: Vec<String> = file.beside.iter().map(|name| PlainName(name).to_string()).collect();
    let beside = match &names[..] {
        [] => String::new(),
        names => format!(", beside {}", names.join(" and ")),
    };
    Some(format!("{how}{beside}: only what reads it can say whether a half-done write can be told and undone"))
}

/// What keeps a kill from breaking a file; `None` where none does.
pub(super) fn fix(file: &AuditedFile) -> Option<String> {
    if file.under_kill != UnderKill::Broken {
        return None;
    }
    let path = PlainName(&file.path);
    let replace = format!(
        "write the new content to a temporary file in the same directory, fsync that, rename it over {path}, then fsync the directory"
    );
    Some(match file.written.first().map(|written| written.way) {
        Some(Way::DeleteThenWrite) => format!("do not remove {path} first; {replace}: that replaces it in one step"),
        Some(Way::DeleteThenRename) => {
            format!("do not remove or move {path} first: the rename of the new file over it replaces it in one step")
        }
        Some(Way::RenameEarly) => {
            "flush, fsync and close the temporary file before it is renamed, then fsync the directory".to_owned()
        }
        _ => replace,
    })
}

/// Which calls are missing before what was written survives a power cut; `None` where none is known to be.
pub(super) fn power(file: &AuditedFile) -> Option<String> {
    let mut needed: Vec<&str> = Vec::new();
    for Written { way, synced, .. } in &file.written {
        let words = match (way, synced.file(), synced.directory()) {
            (Way::Rename | Way::Link | Way::DeleteThenRename | Way::RenameEarly, false, false) => {
                "fsync of the new file before it gets its name, and of the directory after it has it"
            }
            (Way::Rename | Way::Link | Way::DeleteThenRename | Way::RenameEarly, false, true) => {
                "fsync of the new file before it gets its name"
            }
            (Way::Create | Way::DeleteThenWrite, false, _) => {
                "fsync of the file once it is written, and of the directory once it is made"
            }
            (
                Way::Rename | Way::Link | Way::DeleteThenRename | Way::RenameEarly | Way::Create | Way::DeleteThenWrite,
                true,
                false,
            ) => "fsync of the directory once the name is made",
            (Way::Append, false, _) => "fsync (or fdatasync) after each record that must not be lost",
            (Way::TruncateAndWrite | Way::Rewrite | Way::InPlace, false, _) => "fsync after the last write",
            (Way::Move | Way::Remove, _, false) => "fsync of the directory, or the old name may come back",
            _ => continue,
        };
        if !needed.contains(&words) {
            needed.push(words);
        }
    }
    (!needed.is_empty()).then(|| needed.join("; "))
}
