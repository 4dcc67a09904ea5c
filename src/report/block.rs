//! What a report says, in order, before it becomes a page: written as HTML by [`super::html`] and as PDF by
//! [`super::pdf`], so that both say the same.

use super::Picture;
use super::plot::Scene;

/// One part of a report.
#[derive(Debug, Clone)]
pub(super) enum Block {
    /// Level 1 (the title) to 3.
    Heading(u8, String),
    Text(String),
    /// Less important text.
    Quiet(String),
    /// What the figures are not.
    Statement(String),
    /// What went wrong, in red: a title and a list.
    Alarm(String, Vec<String>),
    /// Names and values.
    Facts(Vec<(String, String)>),
    Table(Table),
    /// Plots that may stand side by side.
    Plots(Vec<Scene>),
    Pictures(Vec<Picture>),
}

/// A table with the definitions of its figures below.
#[derive(Debug, Clone, Default)]
pub(super) struct Table {
    pub head: Vec<String>,
    pub rows: Vec<TableRow>,
    /// Columns of words, which are set to the left; the first always is.
    pub words: Vec<usize>,
    /// Name and meaning of figures, printed below.
    pub notes: Vec<(String, String)>,
}

/// Cells of one line; a miss is shown in red.
#[derive(Debug, Clone)]
pub(super) struct TableRow {
    pub cells: Vec<String>,
    pub miss: bool,
}

impl Table {
    pub fn new<S: Into<String>>(head: impl IntoIterator<Item = S>) -> Self {
        Self { head: head.into_iter().map(Into::into).collect(), ..Self::default() }
    }

    pub fn push(&mut self, cells: Vec<String>, miss: bool) {
        self.rows.push(TableRow { cells, miss });
    }

    /// Whether column `n` holds words.
    pub fn is_words(&self, n: usize) -> bool {
        n == 0 || self.words.contains(&n)
    }
}
