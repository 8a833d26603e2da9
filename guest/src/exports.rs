//! What Windows' own DLLs export, whether it is there or not: by it a gap of ours is told from a name that nobody has.

/// A DLL's file name in lower case, then its functions in order (`data/windows_exports.sh` makes it).
const TABLE: &str = include_str!("../data/windows_exports.txt");

/// The row of what API sets have.
const API_SETS: &str = "api-ms-win-";

fn functions(dll: &str) -> Option<&'static str> {
    let dll = if dll.get(..7).is_some_and(|start| start.eq_ignore_ascii_case("api-ms-")) { API_SETS } else { dll };
    let rows = TABLE.lines().filter_map(|row| row.split_once(' '));
    rows.filter(|(name, _)| name.eq_ignore_ascii_case(dll)).map(|(_, functions)| functions).next()
}

/// Whether Windows has a DLL of this file name.
pub fn has_dll(dll: &str) -> bool {
    functions(dll).is_some()
}

/// Whether Windows' DLL of this file name has a function of this name.
pub fn has(dll: &str, function: &str) -> bool {
    functions(dll).is_some_and(|functions| functions.split(' ').any(|name| name == function))
}

#[cfg(test)]
mod tests {
    use super::{has, has_dll};

    #[test]
    fn names_are_known_by_their_dll() {
        assert!(has("kernel32.dll", "GetExpandedNameA") && has("USER32.dll", "MessageBoxW"));
        assert!(!has("kernel32.dll", "MessageBoxW") && !has("kernel32.dll", "") && !has("nothing.dll", "MessageBoxW"));
        assert!(
            has("api-ms-win-core-path-l1-1-0.dll", "PathAllocCanonicalize") && !has("API-MS-Win-x.dll", "MessageBox")
        );
        assert!(has_dll("Shell32.DLL") && !has_dll("# Made"));
    }
}
