//! The README's example.

// --8<--
use trapgate::trace::{Buffer, Recorder, TextSink, Wants};
use trapgate::{Config, Machine, view::Paint};

#[test]
fn my_programs_trace() -> Result<(), Box<dyn std::error::Error>> {
    let mut machine = Machine::new(&Config::open("../fixtures/images/hello.exe")?)?;
    let trace = Buffer::default();
    let sink = TextSink::new(trace.clone(), Paint::PLAIN);
    let wants = Wants { registers: true, ..Wants::default() };
    machine.observe(Box::new(Recorder::new(Box::new(sink), wants)))?;
    machine.run()?;
    insta::assert_snapshot!(trace.text());
    Ok(())
}
// -->8--
