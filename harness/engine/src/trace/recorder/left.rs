//! What a call has left besides the content of its file: the owner, the time of change, extended attributes.

use std::path::Path;

use crashtest_linux::attributes;
use crashtest_linux::trace::{FileCall, Request, Tracee};
use crashtest_model::{Action, Attributes};

use crate::snapshot::besides;
use crate::trace::recorder::Recorder;
use crate::trace::recorder::action::Unfinished;

impl Recorder<'_> {
    /// What `call`, which did `action` and has returned `result`, has left on its file; `None` where that is not kept, or it leaves
    /// nothing there.
    pub(super) fn left(
        &self,
        tracee: &Tracee,
        call: &FileCall,
        action: &Action,
        unfinished: &Unfinished,
        result: u64,
    ) -> Option<Attributes> {
        if !self.keeps_attributes {
            return None;
        }
        let open = |fd: i32| {
            let file = tracee.descriptor(fd).and_then(|descriptor| descriptor.file()).ok()?;
            Some(Attributes { modified_ns: file.modified_ns, owner: file.owner, extended: None })
        };
        let named = |path: &Path| {
            let found = attributes::of_path(path).ok()?;
            Some(Attributes { extended: None, ..besides(&found) })
        };
        match (action, call.request, unfinished) {
            (Action::Open { created: true, .. } | Action::Open { truncated: true, .. }, _, Unfinished::Open { .. }) => {
                open(i32::try_from(result).ok()?)
            }
            (Action::Attribute { .. }, Request::AttributeOf { fd }, _) => {
                Some(besides(&attributes::behind(Path::new(&format!("/proc/{}/fd/{fd}", tracee.tid()))).ok()?))
            }
            (Action::Attribute { .. }, _, Unfinished::At { path }) => Some(besides(&attributes::of_path(path).ok()?)),
            (
                Action::Resize { .. }
                | Action::Mkdir { .. }
                | Action::Mknod { .. }
                | Action::Open { created: true, .. },
                _,
                Unfinished::At { path },
            ) => named(path),
            (Action::Arrive { .. }, _, Unfinished::Arrives { to, .. }) => Some(besides(&attributes::of_path(to).ok()?)),
            (
                Action::Write { .. } | Action::Resize { .. } | Action::Zero { .. },
                Request::Write { fd, .. }
                | Request::Copy { fd, .. }
                | Request::Reflink { fd }
                | Request::Ftruncate { fd, .. }
                | Request::Fallocate { fd, .. }
                | Request::Punch { fd, .. },
                _,
            ) => open(fd),
            _ => None,
        }
    }
}
