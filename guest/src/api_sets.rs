//! API sets: names of DLLs that stand for functions only, and the DLLs that have those here.

/// Prefixes of their names and their hosts, first come, first served.
const TABLE: &str = include_str!("../data/api_sets.csv");

/// The DLL that stands in for an API set; `None`: the name is none's.
pub fn host(name: &str) -> Option<&'static str> {
    let lower = name.to_ascii_lowercase();
    let mut rows = TABLE.lines().skip(1).filter_map(|row| row.split_once(','));
    rows.find(|(prefix, _)| lower.starts_with(prefix)).map(|(_, host)| host)
}

#[cfg(test)]
mod tests {
    use super::host;

    #[test]
    fn names_with_versions_have_hosts() {
        assert_eq!(host("API-MS-Win-Core-Synch-l1-2-0.dll"), Some("kernel32.dll"));
        assert_eq!(host("api-ms-win-crt-runtime-l1-1-0.dll"), Some("ucrtbase.dll"));
        assert_eq!(host("kernel32.dll"), None);
    }
}
