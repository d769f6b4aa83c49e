//! A file's name on one line, whatever it is made of.

use std::fmt;

/// A file's name on one line, whatever it is made of: what would steer a terminal, or begin a new line, is escaped.
#[derive(Clone, Copy, Debug)]
pub struct PlainName<'n>(pub &'n str);

impl fmt::Display for PlainName<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Of the characters beyond ASCII, those that control something begin with this byte, and many others do.
        let may_control = |byte: u8| byte.is_ascii_control() || byte == 0xC2;
        if !self.0.bytes().any(may_control) {
            return f.pad(self.0);
        }
        let escape = |c: char| if c.is_control() { c.escape_default().to_string() } else { c.to_string() };
        f.pad(&self.0.chars().map(escape).collect::<String>())
    }
}
