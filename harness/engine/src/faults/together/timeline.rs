//! Who did what and when: the calls of all processes in the order of their tickets.

use crashtest_kit::Deed;

use super::participants::Participants;

/// The last lines that a finding shows; all of them go into its `trace.txt`.
const LAST: usize = 12;

/// A line each: "  41  writer 0  save  rename  fills.json.tmp → fills.json".
pub(super) fn lines(participants: &Participants<'_, '_, '_>) -> Vec<String> {
    let mut lines: Vec<(u64, String)> = Vec::new();
    for (process, board) in participants.boards.iter().enumerate() {
        let who = participants.name(process);
        for (ticket, call) in board.calls().numbered() {
            lines.push((ticket, format!("{who}  {call}")));
        }
        for event in participants.tickets.events(process) {
            let (begins, ends) = match event.what {
                Deed::Saved(generation) => {
                    (format!("begins save {generation}"), format!("save {generation} is acknowledged"))
                }
                Deed::Loaded(digest) => ("loads".to_owned(), format!("has loaded a state (digest {digest})")),
                Deed::LoadedFresh => ("loads".to_owned(), "has loaded nothing: a fresh, empty state".to_owned()),
                Deed::Refused => ("loads".to_owned(), "has refused what it found".to_owned()),
            };
            lines.push((event.from, format!("{who}  {begins}")));
            lines.extend(event.to.map(|to| (to, format!("{who}  {ends}"))));
        }
    }
    lines.sort();
    lines.into_iter().map(|(ticket, line)| format!("{ticket:>6}  {line}")).collect()
}

/// The end of a timeline.
pub(super) fn last(lines: &[String]) -> Vec<String> {
    lines[lines.len().saturating_sub(LAST)..].to_vec()
}
