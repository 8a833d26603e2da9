//! Colour, where there is a terminal to show it.

/// Colours text, or leaves it alone.
#[derive(Clone, Copy, Debug, Default)]
pub struct Paint {
    on: bool,
}

impl Paint {
    /// No colour.
    pub const PLAIN: Self = Self { on: false };

    /// Colour if `is_terminal`, unless the user's `NO_COLOR` says otherwise.
    pub fn new(is_terminal: bool) -> Self {
        let refused = std::env::var_os("NO_COLOR").is_some_and(|v| !v.is_empty());
        let dumb = std::env::var_os("TERM").is_some_and(|v| v == "dumb");
        Self { on: is_terminal && !refused && !dumb }
    }

    fn wrap(self, code: &str, text: &str) -> String {
        if self.on && !text.is_empty() { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_string() }
    }

    /// A service's name.
    pub fn name(self, text: &str) -> String {
        self.wrap("1;36", text)
    }

    /// A success.
    pub fn good(self, text: &str) -> String {
        self.wrap("32", text)
    }

    /// A failure.
    pub fn bad(self, text: &str) -> String {
        self.wrap("31", text)
    }

    /// Something to notice.
    pub fn warn(self, text: &str) -> String {
        self.wrap("33", text)
    }

    /// Less important.
    pub fn dim(self, text: &str) -> String {
        self.wrap("2", text)
    }

    /// More important.
    pub fn bold(self, text: &str) -> String {
        self.wrap("1", text)
    }
}
