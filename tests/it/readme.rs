//! What the README says is true.

use trapgate::trace::Wants;

use crate::support::{fixture_config, record, trapgate, without_addresses};

fn readme() -> String {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../README.md");
    std::fs::read_to_string(path).expect("the README")
}

/// The example in the README is this test's code, line by line.
#[test]
fn the_example_is_compiled_here() {
    let source = include_str!("example.rs");
    let body: String =
        source.split_once("// --8<--\n").expect("a start mark").1.split("// -->8--").next().expect("an end").into();
    assert!(readme().contains(body.trim_end()), "the README's example is not tests/it/example.rs:\n{body}");
}

#[test]
fn the_quoted_output_of_hello_is_real() {
    let fixture = fixtures::get("hello").expect("the fixture");
    let expected = fixture.stdout.expect("its output");
    assert!(readme().contains(expected.trim_end()), "the README does not show what hello prints:\n{expected}");
    let mut machine = trapgate::Machine::new(&fixture_config(fixture)).expect("a machine");
    let (_, records) = record(&mut machine, Wants::default());
    for call in &records.borrow().calls {
        let name = call.service.expect("a service");
        assert!(readme().contains(&format!("{name}(")), "the README's trace does not show {name}");
    }
}

/// The commands whose output is the same wherever and whenever they run.
fn is_constant(command: &str) -> bool {
    let starts = ["number ", "stubs ", "ssdt ", "profiles", "objects ", "handles ", "object ", "trace --quiet "];
    starts.iter().any(|start| command.starts_with(start))
}

/// Whether the lines quoted are the lines printed; `...` stands for any number of them.
fn matches(quoted: &[&str], printed: &[&str]) -> bool {
    match (quoted.split_first(), printed.split_first()) {
        (None, None) => true,
        (Some((&"...", rest)), _) => (0..=printed.len()).any(|skip| matches(rest, &printed[skip..])),
        (Some((a, rest)), Some((b, printed))) => a.trim_end() == b.trim_end() && matches(rest, printed),
        _ => false,
    }
}

#[test]
fn the_quoted_outputs_are_real() {
    let readme = readme();
    let mut checked = 0;
    // Every other piece between fences is a block of code.
    for block in readme.split("```").skip(1).step_by(2) {
        for quoted in block.split("$ trapgate ").skip(1) {
            let (command, output) = quoted.split_once('\n').expect("a command on a line");
            if !is_constant(command) {
                continue;
            }
            let mut run = trapgate();
            run.current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/.."));
            let done = run
                .args(command.split_whitespace().map(|word| word.trim_matches('\'')))
                .output()
                .expect("trapgate starts");
            // A trace goes to stderr.
            let bytes = if command.starts_with("trace") { done.stderr } else { done.stdout };
            let printed = without_addresses(&String::from_utf8(bytes).expect("text"));
            let output = without_addresses(output);
            let quoted: Vec<&str> = output.trim_end().lines().collect();
            let lines: Vec<&str> = printed.lines().collect();
            assert!(matches(&quoted, &lines), "trapgate {command} does not print\n{output}but\n{printed}");
            checked += 1;
        }
    }
    assert!(checked >= 8, "only {checked} outputs were compared");
}

#[test]
fn dots_stand_for_lines() {
    assert!(matches(&["a", "...", "c"], &["a", "b", "b", "c"]));
    assert!(matches(&["a", "..."], &["a"]));
    assert!(!matches(&["a", "c"], &["a", "b", "c"]));
    assert!(!matches(&["...", "c"], &["c", "d"]));
}
