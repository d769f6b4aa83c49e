//! What a save keeps of its file, beside the content: mode, owner, links.

use crashtest_model::Metadata;

use super::variant::Variant;

/// The headings of what is told.
pub(crate) const HEADINGS: [&str; 4] = ["mode 0600", "owner", "symbolic link", "hard link"];

/// The properties that each strategy of `cells` keeps, a row a strategy (the loader has no part in it); `None` while nobody has tried it.
pub(crate) fn rows(cells: &[Variant<'_>]) -> Option<Vec<(String, [&'static str; 4])>> {
    let mut rows: Vec<(String, [&str; 4])> = Vec::new();
    let tried = |cell: &Variant<'_>| cell.rows().find_map(|row| row.metadata);
    for (cell, metadata) in cells.iter().filter_map(|cell| Some((cell, tried(cell)?))) {
        let row = (cell.label_parts().0.to_owned(), kept_words(metadata));
        if !rows.contains(&row) {
            rows.push(row);
        }
    }
    (!rows.is_empty()).then_some(rows)
}

/// The same by what is kept: the strategies that agree in it together.
pub(crate) fn groups(cells: &[Variant<'_>]) -> Vec<(Vec<String>, [&'static str; 4])> {
    let mut groups: Vec<(Vec<String>, [&str; 4])> = Vec::new();
    for (strategy, words) in rows(cells).unwrap_or_default() {
        match groups.iter_mut().find(|(_, same)| *same == words) {
            Some((strategies, _)) => strategies.push(strategy),
            None => groups.push((vec![strategy], words)),
        }
    }
    groups
}

fn kept_words(metadata: Metadata) -> [&'static str; 4] {
    [metadata.mode, metadata.owner, metadata.symlink, metadata.hard_link].map(|kept| match kept {
        Some(true) => "kept",
        Some(false) => "LOST",
        None => "not tried",
    })
}
