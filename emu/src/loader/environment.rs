//! Command line and environment.

use guest::{Arch, Profile};

/// Who has a variable: kernels and programs of these widths.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Who {
    All,
    /// On a 64-bit kernel.
    Wide,
    /// A program of the kernel's width.
    Own,
    /// A 64-bit program.
    X64,
    /// A 32-bit program.
    X86,
    /// A 32-bit program on a 64-bit kernel.
    Wow64,
}

const VISTA: u32 = 6000;
const XP: u32 = 2600;
const TEN: u32 = 10240;

/// The environment that a process of a user's gets, as Windows makes it: fixed, so that runs repeat. The first build and the one
/// after the last that have a variable so, in the order in which Windows keeps them.
#[rustfmt::skip]
const VARIABLES: &[(u32, u32, Who, &str)] = &[
    (0, !0, Who::All, "=C:=C:\\"),
    (0, VISTA, Who::All, "ALLUSERSPROFILE=C:\\Documents and Settings\\All Users"),
    (VISTA, !0, Who::All, "ALLUSERSPROFILE=C:\\ProgramData"),
    (0, VISTA, Who::All, "APPDATA=C:\\Documents and Settings\\user\\Application Data"),
    (VISTA, !0, Who::All, "APPDATA=C:\\Users\\user\\AppData\\Roaming"),
    (0, !0, Who::Own, "CommonProgramFiles=C:\\Program Files\\Common Files"),
    (0, !0, Who::Wow64, "CommonProgramFiles=C:\\Program Files (x86)\\Common Files"),
    (0, !0, Who::Wide, "CommonProgramFiles(x86)=C:\\Program Files (x86)\\Common Files"),
    (7600, !0, Who::Wide, "CommonProgramW6432=C:\\Program Files\\Common Files"),
    (0, !0, Who::All, "COMPUTERNAME=TRAPGATE"),
    (0, !0, Who::All, "ComSpec=C:\\Windows\\system32\\cmd.exe"),
    (TEN, !0, Who::All, "DriverData=C:\\Windows\\System32\\Drivers\\DriverData"),
    (0, !0, Who::All, "HOMEDRIVE=C:"),
    (0, VISTA, Who::All, "HOMEPATH=\\Documents and Settings\\user"),
    (VISTA, !0, Who::All, "HOMEPATH=\\Users\\user"),
    (VISTA, !0, Who::All, "LOCALAPPDATA=C:\\Users\\user\\AppData\\Local"),
    (0, !0, Who::All, "LOGONSERVER=\\\\TRAPGATE"),
    (0, !0, Who::All, "NUMBER_OF_PROCESSORS=1"),
    (0, !0, Who::All, "OS=Windows_NT"),
    (0, !0, Who::All, "Path=C:\\Windows\\system32;C:\\Windows"),
    (0, !0, Who::All, "PATHEXT=.COM;.EXE;.BAT;.CMD;.VBS;.VBE;.JS;.JSE;.WSF;.WSH;.MSC"),
    (0, !0, Who::X64, "PROCESSOR_ARCHITECTURE=AMD64"),
    (0, !0, Who::X86, "PROCESSOR_ARCHITECTURE=x86"),
    (0, !0, Who::Wow64, "PROCESSOR_ARCHITEW6432=AMD64"),
    (VISTA, !0, Who::All, "ProgramData=C:\\ProgramData"),
    (0, !0, Who::Own, "ProgramFiles=C:\\Program Files"),
    (0, !0, Who::Wow64, "ProgramFiles=C:\\Program Files (x86)"),
    (0, !0, Who::Wide, "ProgramFiles(x86)=C:\\Program Files (x86)"),
    (7600, !0, Who::Wide, "ProgramW6432=C:\\Program Files"),
    (VISTA, !0, Who::All, "PUBLIC=C:\\Users\\Public"),
    (XP, !0, Who::All, "SESSIONNAME=Console"),
    (0, !0, Who::All, "SystemDrive=C:"),
    (0, !0, Who::All, "SystemRoot=C:\\Windows"),
    (0, VISTA, Who::All, "TEMP=C:\\Documents and Settings\\user\\Local Settings\\Temp"),
    (VISTA, !0, Who::All, "TEMP=C:\\Users\\user\\AppData\\Local\\Temp"),
    (0, VISTA, Who::All, "TMP=C:\\Documents and Settings\\user\\Local Settings\\Temp"),
    (VISTA, !0, Who::All, "TMP=C:\\Users\\user\\AppData\\Local\\Temp"),
    (0, !0, Who::All, "USERDOMAIN=TRAPGATE"),
    (0, !0, Who::All, "USERNAME=user"),
    (0, VISTA, Who::All, "USERPROFILE=C:\\Documents and Settings\\user"),
    (VISTA, !0, Who::All, "USERPROFILE=C:\\Users\\user"),
    (0, !0, Who::All, "windir=C:\\Windows"),
];

/// The environment block of a program, with what the caller changes in it: strings with terminators, and one more terminator.
pub(super) fn block(profile: &Profile, program: Arch, changes: &[(String, String)]) -> Vec<u8> {
    let (build, wide, narrow) = (profile.version.2, profile.arch == Arch::X64, program == Arch::X86);
    let has = |who: Who| match who {
        Who::All => true,
        Who::Wide => wide,
        Who::Own => wide != narrow,
        Who::X64 => !narrow,
        Who::X86 => narrow,
        Who::Wow64 => wide && narrow,
    };
    let here = VARIABLES.iter().filter(|(since, until, who, _)| (*since..*until).contains(&build) && has(*who));
    let mut variables: Vec<String> = here.map(|(.., variable)| (*variable).to_string()).collect();
    for (name, value) in changes {
        let order = |variable: &String| name_of(variable).to_uppercase().cmp(&name.to_uppercase());
        variables.retain(|variable| order(variable).is_ne());
        if !value.is_empty() {
            let at = variables.iter().position(|variable| order(variable).is_gt()).unwrap_or(variables.len());
            variables.insert(at, format!("{name}={value}"));
        }
    }
    let text: String = variables.iter().flat_map(|variable| [variable, "\0"]).collect();
    guest::layout::wide(&text)
}

/// A variable's name: a drive's begins with `=`.
fn name_of(variable: &str) -> &str {
    let end = variable.char_indices().skip(1).find(|(_, c)| *c == '=').map_or(variable.len(), |(at, _)| at);
    variable.get(..end).unwrap_or(variable)
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
        let profile = Profile::by_name("win10-22h2-x64").expect("a profile");
        assert!(block(profile, Arch::X86, &[]).ends_with(&[0, 0, 0, 0]));
    }

    #[test]
    fn variables_are_changed_and_kept_in_order() {
        let profile = Profile::by_name("win10-22h2-x64").expect("a profile");
        let changes = [("os", "none"), ("Nothing", "1"), ("TEMP", ""), ("zz", "a=b")];
        let block = block(profile, Arch::X64, &changes.map(|(name, value)| (name.into(), value.into())));
        let units: Vec<u16> = block.chunks_exact(2).map(|pair| u16::from_le_bytes([pair[0], pair[1]])).collect();
        let text = String::from_utf16(&units).expect("text");
        let names: Vec<_> = text.trim_end_matches('\0').split('\0').map(|v| name_of(v).to_uppercase()).collect();
        assert!(names.is_sorted() && names.first().is_some_and(|name| name == "=C:"), "{names:?}");
        assert!(
            text.contains("\0os=none\0") && text.contains("\0Nothing=1\0") && text.contains("\0zz=a=b\0"),
            "{text}"
        );
        assert!(!text.contains("Windows_NT") && !text.contains("\0TEMP="), "{text}");
    }
}
