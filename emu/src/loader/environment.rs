//! Command line and environment.

use guest::Arch;

/// The environment a process gets: fixed, so that runs repeat.
const VARIABLES: &[&str] = &[
    "=C:=C:\\",
    "COMPUTERNAME=TRAPGATE",
    "ComSpec=C:\\Windows\\system32\\cmd.exe",
    "NUMBER_OF_PROCESSORS=1",
    "OS=Windows_NT",
    "Path=C:\\Windows\\system32;C:\\Windows",
    "SystemDrive=C:",
    "SystemRoot=C:\\Windows",
    "TEMP=C:\\Windows\\Temp",
    "TMP=C:\\Windows\\Temp",
    "USERNAME=user",
    "windir=C:\\Windows",
];

/// What says which processor a kernel and a program run on, after `Path`.
const fn processor(kernel: Arch, program: Arch) -> &'static [&'static str] {
    match (kernel, program) {
        (_, Arch::X64) => &["PROCESSOR_ARCHITECTURE=AMD64"],
        (Arch::X86, Arch::X86) => &["PROCESSOR_ARCHITECTURE=x86"],
        (Arch::X64, Arch::X86) => &["PROCESSOR_ARCHITECTURE=x86", "PROCESSOR_ARCHITEW6432=AMD64"],
    }
}

/// The environment block: strings with terminators, and one more terminator.
pub(super) fn block(kernel: Arch, program: Arch) -> Vec<u8> {
    let at = VARIABLES.iter().position(|v| v.starts_with("Path=")).map_or(0, |i| i + 1);
    let (before, after) = VARIABLES.split_at_checked(at).unwrap_or((VARIABLES, &[]));
    let all = before.iter().chain(processor(kernel, program)).chain(after);
    let text: String = all.flat_map(|v| [*v, "\0"]).collect();
    guest::layout::wide(&text)
}

/// Joins a program's path and arguments so that `CommandLineToArgvW` takes them apart again: quotes where
/// there is white space, backslashes doubled before a quote.
pub(super) fn command_line(path: &str, args: &[String]) -> String {
    let mut line = format!("\"{path}\"");
    for arg in args {
        line.push(' ');
        quote(arg, &mut line);
    }
    line
}

fn quote(arg: &str, line: &mut String) {
    if !arg.is_empty() && !arg.contains([' ', '\t', '\n', '\x0b', '"']) {
        line.push_str(arg);
        return;
    }
    line.push('"');
    let mut backslashes = 0;
    for c in arg.chars() {
        match c {
            '\\' => backslashes += 1,
            '"' => {
                line.extend(std::iter::repeat_n('\\', backslashes + 1));
                backslashes = 0;
            }
            _ => backslashes = 0,
        }
        line.push(c);
    }
    line.extend(std::iter::repeat_n('\\', backslashes));
    line.push('"');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_are_quoted_as_the_c_run_time_reads_them() {
        let args = ["plain", "two words", "", "a\"b", "back\\", "back slash\\", "a\\\"b"].map(String::from);
        let line = command_line("C:\\x.exe", &args);
        let expected = r#""C:\x.exe" plain "two words" "" "a\"b" back\ "back slash\\" "a\\\"b""#;
        assert_eq!(line, expected);
    }

    #[test]
    fn the_environment_ends_with_two_terminators() {
        assert!(block(Arch::X64, Arch::X86).ends_with(&[0, 0, 0, 0]));
    }
}
