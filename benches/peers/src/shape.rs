//! Columns of the tables: how large messages are, and how they come.

/// What one read gives at most, unless it is said.
const READ: usize = 64 * 1024;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Column {
    pub name: String,
    /// Of a message.
    pub size: usize,
    /// Whether that is the largest of many sizes.
    pub mixed: bool,
    /// The most in one frame.
    pub fragment: usize,
    /// The most that one read gives.
    pub read: usize,
}

impl Column {
    /// `SIZE`, `SIZE/FRAGMENT`, `SIZE@READ` or `SIZE/FRAGMENT@READ`, in bytes; `k` and `M` are
    /// 1,024 and 1,048,576 of them. `..SIZE` for messages of any size up to that, each doubling as
    /// often as the next.
    pub fn parse(text: &str) -> Result<Self, String> {
        let (message, read) =
            text.split_once('@').map_or((text, None), |(it, read)| (it, Some(read)));
        let (size, fragment) =
            message.split_once('/').map_or((message, None), |(it, fragment)| (it, Some(fragment)));
        let (size, mixed) =
            size.strip_prefix("..").map_or((size, false), |largest| (largest, true));
        let mut name = String::from(if mixed { "up to " } else { "" }) + &named(bytes(size)?);
        let mut part = |between: &str, given: Option<&str>, default| match given {
            Some(given) => match bytes(given)? {
                0 => Err(format!("{text}: no bytes at all")),
                count => {
                    name += between;
                    name += &named(count);
                    Ok(count)
                }
            },
            None => Ok(default),
        };
        let fragment = part(" in ", fragment, usize::MAX)?;
        let read = part(" by ", read, READ)?;
        Ok(Self { size: bytes(size)?, mixed, fragment, read, name })
    }

    /// Whether it is a size and nothing else.
    pub fn is_size(&self) -> bool {
        (self.mixed, self.fragment, self.read) == (false, usize::MAX, READ)
    }
}

fn bytes(text: &str) -> Result<usize, String> {
    let (number, unit) = match text.split_at_checked(text.len().saturating_sub(1)) {
        Some((number, "k")) => (number, 1024),
        Some((number, "M")) => (number, 1024 * 1024),
        _ => (text, 1),
    };
    let number: usize = number.parse().map_err(|_| format!("{text} is no number of bytes"))?;
    Ok(number * unit)
}

fn named(bytes: usize) -> String {
    match (bytes % (1024 * 1024), bytes % 1024) {
        _ if bytes == 0 => "0 B".to_owned(),
        (0, _) => format!("{} MiB", bytes / 1024 / 1024),
        (_, 0) => format!("{} KiB", bytes / 1024),
        _ => format!("{bytes} B"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_read_and_named() {
        let parse = |text| Column::parse(text).expect("written as it is to be");
        let column = |name: &str, size, fragment, read| Column {
            name: name.to_owned(),
            size,
            mixed: false,
            fragment,
            read,
        };
        assert_eq!(parse("125"), column("125 B", 125, usize::MAX, READ));
        assert_eq!(parse("1M/4k"), column("1 MiB in 4 KiB", 1 << 20, 4096, READ));
        assert_eq!(parse("1k@7"), column("1 KiB by 7 B", 1024, usize::MAX, 7));
        assert_eq!(
            parse("200000/500@1460"),
            column("200000 B in 500 B by 1460 B", 200_000, 500, 1460)
        );
        let mixed = Column { mixed: true, ..column("up to 64 KiB in 4 KiB", 65_536, 4096, READ) };
        assert_eq!(parse("..64k/4k"), mixed);
        for wrong in ["", "k", "..", "1/0", "1@0", "1/", "ten"] {
            assert!(Column::parse(wrong).is_err(), "{wrong}");
        }
    }
}
