//! What a save keeps of its file, beside the content: mode, owner, links.

use crashtest_model::Metadata;

use super::contender::Contender;

/// The headings of what is told.
pub(super) const HEADINGS: [&str; 4] = ["mode 0600", "owner", "symbolic link", "hard link"];

/// What each of `cells` keeps; `None` while nobody has tried it.
pub(super) fn rows(cells: &[Contender<'_>]) -> Option<Vec<(String, [&'static str; 4])>> {
    let tried: Vec<Option<Metadata>> = cells.iter().map(|cell| cell.rows().find_map(|row| row.metadata)).collect();
    tried.iter().any(Option::is_some).then(|| {
        let rows = cells.iter().zip(tried);
        rows.map(|(cell, metadata)| (cell.label(), words(metadata.unwrap_or_default()))).collect()
    })
}

fn words(metadata: Metadata) -> [&'static str; 4] {
    [metadata.mode, metadata.owner, metadata.symlink, metadata.hard_link].map(|kept| match kept {
        Some(true) => "kept",
        Some(false) => "LOST",
        None => "not tried",
    })
}
