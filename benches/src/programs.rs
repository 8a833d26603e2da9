//! What a vendor's program takes on Wine's DLLs, beside Wine itself in the same run.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use guest::Arch;
use kernel_model::io::Mount;
use trapgate::loader::Program;
use trapgate::machine::MappedFolder;
use trapgate::root::{SystemRoot, WineFolders};
use trapgate::{Config, End, Machine};

use crate::measure::{Figure, in_so_many_turns, time};

/// Bytes that are compressed.
const SIZE: usize = 10 << 20;
const TURNS: usize = 3;

/// A folder of its own, with what the program is given.
struct Work {
    wine: PathBuf,
    program: PathBuf,
    folder: PathBuf,
}

impl Work {
    fn new() -> Result<Self, String> {
        WineFolders::find(Arch::X64).map_err(|error| error.to_string())?;
        let fetch = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/fetch-programs.sh");
        let out = Command::new(fetch).output().map_err(|error| error.to_string())?;
        if !out.status.success() {
            return Err(String::from_utf8_lossy(&out.stderr).trim().to_string());
        }
        let program = Path::new(String::from_utf8_lossy(&out.stdout).trim()).join("7za.exe");
        let wine = ["/usr/lib/wine/wine64", "/usr/bin/wine64", "/usr/bin/wine"].map(PathBuf::from);
        let wine = wine.into_iter().find(|path| path.is_file()).ok_or("no wine64")?;
        let folder = std::env::temp_dir().join(format!("trapgate-bench-7za-{}", std::process::id()));
        let write = || {
            std::fs::create_dir_all(folder.join("in"))?;
            std::fs::create_dir_all(folder.join("out"))?;
            std::fs::write(folder.join("in/data"), data())
        };
        write().map_err(|error| error.to_string())?;
        Ok(Self { wine, program, folder })
    }

    /// Seconds under Wine.
    fn theirs(&self, args: &[&str]) -> f64 {
        let mut command = Command::new(&self.wine);
        command.arg(&self.program).args(args).current_dir(&self.folder).stdout(Stdio::null()).stderr(Stdio::null());
        command.env("WINEDEBUG", "-all").env("WINEPREFIX", self.folder.join("prefix")).env_remove("DISPLAY");
        self.timed(|| assert!(command.status().expect("Wine starts").success(), "{args:?} under Wine"))
    }

    /// Seconds here.
    fn ours(&self, args: &[&str]) -> f64 {
        let image = std::fs::read(&self.program).expect("the program");
        self.timed(|| {
            let mut config = Config::new(Program::Pe(image), "7za.exe");
            config.root = SystemRoot::Wine(WineFolders::find(Arch::X64).expect("Wine's DLLs"));
            config.process.args = args.iter().map(ToString::to_string).collect();
            config.memory = 2 << 30;
            config.folders = ["in", "out"].map(|name| self.mapped(name)).to_vec();
            let mut machine = Machine::new(&config).expect("a machine");
            let end = machine.run().expect("no engine failure");
            assert!(matches!(end, End::Exit(status) if status.0 == 0), "{args:?} here: {end:?}");
        })
    }

    fn mapped(&self, name: &str) -> MappedFolder {
        let mount = Mount::parse(&format!("C:\\{name}")).expect("a folder of a drive");
        MappedFolder { mount, host: self.folder.join(name), writable: name == "out" }
    }

    /// The time of a run into an empty folder.
    fn timed(&self, run: impl FnOnce()) -> f64 {
        let _ = std::fs::remove_file(self.folder.join("out/x.7z"));
        let took: Duration = time(run);
        took.as_secs_f64()
    }

    fn figure(&self, what: &str, args: &[&str]) -> Figure {
        let (ours, theirs) = in_so_many_turns(TURNS, || self.ours(args), || self.theirs(args));
        Figure {
            name: format!("7-Zip on Wine's DLLs, {what} (floor: under Wine)"),
            unit: "s",
            value: ours,
            floor: Some(theirs),
            target: None,
        }
    }
}

impl Drop for Work {
    fn drop(&mut self) {
        let server = self.wine.with_file_name("wineserver");
        let _ = Command::new(server).arg("-k").env("WINEPREFIX", self.folder.join("prefix")).status();
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

/// Bytes that can be compressed, the same each time.
fn data() -> Vec<u8> {
    let mut state = 0x1234_5678_u32;
    let mut next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 24) as u8
    };
    let words: Vec<Vec<u8>> = (0..512).map(|_| (0..3 + next() % 8).map(|_| b'a' + next() % 26).collect()).collect();
    let mut text = Vec::with_capacity(SIZE + 16);
    while text.len() < SIZE {
        text.extend(&words[usize::from(next()) + 256 * usize::from(next() & 1)]);
        text.push(b' ');
    }
    text.truncate(SIZE);
    text
}

/// 7-Zip's list of formats, and a compression of 10 MiB; nothing where Wine or the program cannot be had.
pub fn figures() -> Vec<Figure> {
    let work = match Work::new() {
        Ok(work) => work,
        Err(why) => {
            eprint!(" left out: {why}");
            return Vec::new();
        }
    };
    // The first start makes a prefix.
    work.theirs(&["i"]);
    vec![work.figure("`i`", &["i"]), work.figure("compression of 10 MiB", &["a", "-mx1", "out\\x.7z", "in\\data"])]
}
