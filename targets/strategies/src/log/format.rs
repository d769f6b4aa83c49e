//! How records lie in a log file: frames that can be told from damage, or lines that cannot.

use xxhash_rust::xxh3::xxh3_64;

/// The length (4 bytes) and the checksum (8 bytes) of the payload, both little-endian, come before it.
const FRAME_HEADER: usize = 12;

/// How one record follows the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    /// Length, checksum, payload. A frame of length 0 is none: a tail of zeros is no endless row of empty records.
    Frames,
    /// The payload and a newline.
    Lines,
}

/// A file taken apart.
pub(crate) struct Split<'a> {
    /// The payloads; of lines also those that are damaged.
    pub(crate) pieces: Vec<&'a [u8]>,
    /// Where the last whole record before any damage ends.
    pub(crate) end: usize,
}

impl Format {
    /// A record as it is appended: in one write.
    pub(crate) fn wrap(self, mut payload: Vec<u8>) -> Vec<u8> {
        match self {
            Format::Lines => {
                payload.push(b'\n');
                payload
            }
            Format::Frames => {
                let mut frame = Vec::with_capacity(FRAME_HEADER + payload.len());
                frame.extend_from_slice(&u32::try_from(payload.len()).unwrap_or(u32::MAX).to_le_bytes());
                frame.extend_from_slice(&xxh3_64(&payload).to_le_bytes());
                frame.append(&mut payload);
                frame
            }
        }
    }

    /// How many bytes at the start of a file are whole records.
    pub(crate) fn undamaged(self) -> fn(&[u8]) -> usize {
        match self {
            Format::Lines => |content| split_lines(content).end,
            Format::Frames => |content| split_frames(content).end,
        }
    }

    pub(crate) fn split(self, content: &[u8]) -> Split<'_> {
        match self {
            Format::Lines => split_lines(content),
            Format::Frames => split_frames(content),
        }
    }
}

fn split_lines(content: &[u8]) -> Split<'_> {
    let pieces: Vec<&[u8]> = content.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()).collect();
    let whole = |line: &&&[u8]| serde_json::from_slice::<serde::de::IgnoredAny>(line).is_ok();
    let end: usize = pieces.iter().take_while(whole).map(|line| line.len() + 1).sum();
    Split { pieces, end: if end == content.len() + 1 { content.len() } else { end } }
}

fn split_frames(content: &[u8]) -> Split<'_> {
    let mut split = Split { pieces: Vec::new(), end: 0 };
    while let Some(payload) = frame_at(&content[split.end..]) {
        split.pieces.push(payload);
        split.end += FRAME_HEADER + payload.len();
    }
    split
}

/// The payload of the frame with which `content` begins; `None` for damage and at the end.
fn frame_at(content: &[u8]) -> Option<&[u8]> {
    let (header, rest) = content.split_at_checked(FRAME_HEADER)?;
    let (length, checksum) = header.split_at(4);
    let length = usize::try_from(u32::from_le_bytes(length.try_into().ok()?)).ok().filter(|length| *length > 0)?;
    let payload = rest.get(..length)?;
    (u64::from_le_bytes(checksum.try_into().ok()?) == xxh3_64(payload)).then_some(payload)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn file(format: Format, payloads: &[String]) -> (Vec<u8>, Vec<usize>) {
        let mut content = Vec::new();
        let mut ends = vec![0];
        for payload in payloads {
            content.extend(format.wrap(serde_json::to_vec(payload).unwrap()));
            ends.push(content.len());
        }
        (content, ends)
    }

    fn payloads() -> impl Strategy<Value = Vec<String>> {
        proptest::collection::vec("[a-zé]{0,40}", 1..8)
    }

    proptest! {
        #[test]
        fn what_was_wrapped_is_split_again(payloads in payloads()) {
            for format in [Format::Frames, Format::Lines] {
                let (content, _) = file(format, &payloads);
                let split = format.split(&content);
                prop_assert_eq!(split.end, content.len());
                let again: Vec<String> = split.pieces.iter().map(|p| serde_json::from_slice(p).unwrap()).collect();
                prop_assert_eq!(&again, &payloads);
            }
        }

        #[test]
        fn a_cut_log_ends_with_its_last_whole_record(payloads in payloads(), cut in 0usize..400) {
            let (content, ends) = file(Format::Frames, &payloads);
            let cut = cut.min(content.len());
            let whole = ends.into_iter().filter(|end| *end <= cut).max().unwrap();
            prop_assert_eq!(Format::Frames.split(&content[..cut]).end, whole);
        }

        #[test]
        fn a_changed_byte_and_everything_behind_it_is_no_record(payloads in payloads(), at in 0usize..400, bit in 0u8..8) {
            let (mut content, ends) = file(Format::Frames, &payloads);
            let at = at % content.len();
            content[at] ^= 1 << bit;
            let before = ends.into_iter().filter(|end| *end <= at).max().unwrap();
            prop_assert_eq!(Format::Frames.split(&content).end, before);
        }
    }

    #[test]
    fn a_tail_of_zeros_is_no_row_of_empty_records() {
        let mut content = Format::Frames.wrap(b"1".to_vec());
        let whole = content.len();
        content.resize(whole + 4096, 0);
        assert_eq!(Format::Frames.split(&content).end, whole);
        assert_eq!(Format::Lines.split(b"{}\n{\"a\"").end, 3);
    }
}
