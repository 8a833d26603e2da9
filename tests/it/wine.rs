//! The same program under Wine prints the same.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::support::fixture_machine;

/// Wine, where it is installed. Debian's wine64 alone puts nothing on the path.
pub fn wine() -> Option<PathBuf> {
    let on_path = std::env::var_os("PATH").into_iter().flat_map(|p| std::env::split_paths(&p).collect::<Vec<_>>());
    let named = on_path.flat_map(|folder| [folder.join("wine64"), folder.join("wine")]);
    named.chain([PathBuf::from("/usr/lib/wine/wine64")]).find(|path| path.is_file())
}

/// Has Wine's server for a prefix stay when nobody uses it, so that not each program boots it anew, or ends it.
pub fn serve(wine: &Path, prefix: &Path, stay: bool) {
    let server = wine.with_file_name("wineserver");
    let server = if server.exists() { server } else { PathBuf::from("/usr/lib/wine/wineserver") };
    let _ = Command::new(server).arg(if stay { "-p" } else { "-k" }).env("WINEPREFIX", prefix).status();
}

#[test]
fn fixtures_print_the_same_under_wine() {
    let Some(wine) = wine() else {
        assert!(std::env::var_os("CI").is_none(), "CI must not skip the comparison with Wine");
        // Not by `eprintln!`, which the test harness keeps to itself while the test passes.
        let _ = writeln!(std::io::stderr(), "skipped: no Wine");
        return;
    };
    let prefix = std::env::temp_dir().join(format!("trapgate-wine-{}", std::process::id()));
    // What a program leaves where it runs goes with the folder.
    let scratch = prefix.with_extension("folder");
    std::fs::create_dir_all(&scratch).expect("a temporary folder");
    std::fs::create_dir_all(&prefix).expect("a temporary folder");
    serve(&wine, &prefix, true);
    let mut failures = Vec::new();
    let mut compared = 0;
    for fixture in fixtures::programs().filter(|f| f.wine) {
        let input = prefix.with_extension("stdin");
        std::fs::write(&input, fixture.stdin).expect("a temporary file");
        let output = Command::new(&wine)
            .arg(std::path::absolute(fixture.path()).expect("a path"))
            .args(fixture.args)
            .current_dir(&scratch)
            .stdin(std::fs::File::open(&input).expect("the file"))
            .env("WINEDEBUG", "-all")
            .env("WINEPREFIX", &prefix)
            .env("WINEDLLOVERRIDES", "mscoree,mshtml=")
            .env_remove("DISPLAY")
            .output()
            .expect("Wine starts");
        let mut machine = fixture_machine(fixture.name);
        let end = machine.run().expect("no engine failure");
        let ours = machine.captured().expect("captured").stdout.clone();
        let _ = std::fs::remove_file(&input);
        if output.stdout != ours || output.status.code() != Some(end.exit_code().into()) {
            failures.push(format!(
                "--- {}: Wine ({:?})\n{}{}--- Trapgate ({})\n{}",
                fixture.name,
                output.status.code(),
                String::from_utf8_lossy(&output.stderr),
                String::from_utf8_lossy(&output.stdout),
                end.exit_code(),
                String::from_utf8_lossy(&ours)
            ));
        }
        compared += 1;
    }
    serve(&wine, &prefix, false);
    let _ = std::fs::remove_dir_all(&prefix);
    let _ = std::fs::remove_dir_all(&scratch);
    assert!(failures.is_empty(), "{}", failures.join("\n"));
    assert!(compared >= 20, "only {compared} programs were compared");
}
