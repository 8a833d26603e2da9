//! What the README says is true.

use trapgate::trace::Wants;

use crate::support::{fixture_config, record};

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
