//! Tests of the files in memory: what a write, a link, a rename make of them.

use crashtest_model::{Data, Progress};
use proptest::prelude::*;

use super::*;

const FILE: FileId = FileId(0);

fn operation(action: Action) -> Operation {
    let [before, after] = [Progress::default(); 2];
    Operation { process: 0, call: action.word().into(), action, errno: None, before, after, left: None }
}

fn write(offset: u64, data: &[u8]) -> Operation {
    let requested = data.len() as u64;
    operation(Action::Write { path: "f".into(), file: FILE, offset, data: Data::Kept(data.to_vec()), requested })
}

fn open(path: &str, file: FileId) -> Operation {
    let path = path.to_owned();
    operation(Action::Open { path, file, created: true, truncated: false, synchronous: false, mode: 0o644 })
}

fn tree(content: Vec<u8>) -> Tree {
    let file = Entry::File { mode: 0o644, content: content.into() };
    Tree::new(&Snapshot::from_iter([("f".into(), file)]), &[("f".into(), FILE)])
}

fn after(mut tree: Tree, operations: &[Operation]) -> Snapshot {
    operations.iter().for_each(|operation| tree.apply(operation));
    tree.snapshot()
}

proptest! {
    #[test]
    fn a_prefix_of_a_write_and_then_the_rest_are_the_whole(
        content: Vec<u8>, offset in 0u64..300, data: Vec<u8>, cut: prop::sample::Index,
    ) {
        let cut = cut.index(data.len() + 1);
        let mut torn = tree(content.clone());
        torn.apply_part(&write(offset, &data), cut as u64);
        let rest = write(offset + cut as u64, &data[cut..]);
        prop_assert_eq!(after(torn, &[rest]), after(tree(content), &[write(offset, &data)]));
    }

    #[test]
    fn all_bytes_of_a_write_are_the_write(content: Vec<u8>, offset in 0u64..300, data: Vec<u8>, more in 0u64..9) {
        let mut whole = tree(content.clone());
        whole.apply_part(&write(offset, &data), data.len() as u64 + more);
        prop_assert_eq!(whole.snapshot(), after(tree(content), &[write(offset, &data)]));
    }

    #[test]
    fn a_snapshot_stays_as_it_was_whatever_is_done_to_the_tree(content: Vec<u8>, offset in 0u64..300, data: Vec<u8>) {
        let mut tree = tree(content.clone());
        let before = tree.snapshot();
        tree.apply(&write(offset, &data));
        prop_assert_eq!(before.file("f"), Some(content.as_slice()));
    }
}

#[test]
fn a_write_past_the_end_leaves_zeros_between() {
    assert_eq!(after(tree(b"ab".to_vec()), &[write(4, b"e")]).file("f"), Some(&b"ab\0\0e"[..]));
}

#[test]
fn a_failed_operation_does_nothing() {
    let failed = Operation { errno: Some(28), ..write(0, b"x") };
    let mut tree = tree(b"ab".to_vec());
    tree.apply(&failed);
    tree.apply_part(&failed, 1);
    assert_eq!(tree.snapshot().file("f"), Some(&b"ab"[..]));
}

#[test]
fn a_file_without_a_name_is_found_only_once_it_is_linked() {
    let mut tree = Tree::new(&Snapshot::default(), &[]);
    tree.apply(&open("", FILE));
    tree.apply(&write(0, b"new"));
    assert_eq!(tree.snapshot(), Snapshot::default());
    tree.apply(&operation(Action::Link { file: FILE, to: "f".into() }));
    assert_eq!(tree.snapshot().file("f"), Some(&b"new"[..]));
}

#[test]
fn a_write_to_a_file_whose_name_was_replaced_is_found_nowhere() {
    let rename = Action::Rename { from: "g".into(), to: "f".into(), exchange: false };
    let state = after(tree(b"old".to_vec()), &[open("g", FileId(1)), operation(rename), write(0, b"lost")]);
    assert_eq!((state.file("f"), state.has("g")), (Some(&b""[..]), false));
}

#[test]
fn a_rename_onto_another_name_of_the_file_does_nothing() {
    let link = operation(Action::Link { file: FILE, to: "g".into() });
    let rename = operation(Action::Rename { from: "f".into(), to: "g".into(), exchange: false });
    let state = after(tree(b"x".to_vec()), &[link, rename]);
    assert_eq!((state.file("f"), state.file("g")), (Some(&b"x"[..]), Some(&b"x"[..])));
}

#[test]
fn files_that_are_gone_take_no_memory() {
    let mut tree = tree(b"old".to_vec());
    for n in 1..10 {
        tree.apply(&open("g", FileId(n)));
        tree.apply(&operation(Action::Rename { from: "g".into(), to: "f".into(), exchange: false }));
    }
    assert_eq!(tree.inodes.len(), 1);
}

#[test]
fn what_a_trace_does_not_name_stays() {
    let file = Entry::File { mode: 0o600, content: b"x".to_vec().into() };
    let initial = Snapshot::from_iter([("d".into(), Entry::Directory { mode: 0o700 }), ("d/f".into(), file)]);
    let rename = operation(Action::Rename { from: "d".into(), to: "e".into(), exchange: false });
    assert_eq!(Tree::new(&initial, &[]).snapshot(), initial);
    assert_eq!(after(Tree::new(&initial, &[]), &[rename]).file("e/f"), Some(&b"x"[..]));
}
