//! What was read: numbers, how finely each was printed, and the shape they have in the text.

use super::number::Number;

/// The numbers of one output. It is reused from run to run, so that reading allocates nothing.
#[derive(Clone, Debug)]
pub(crate) struct Found {
    /// The numbers, in C order.
    pub(crate) numbers: Vec<f64>,
    /// For each, the distance of neighbouring values that its text tells apart; 0 where that is unknown or the number
    /// was not printed. See [`Number::quantum`].
    pub(crate) quanta: Vec<f64>,
    /// The shape that the text gives them: of nested arrays theirs, of one number none, else their count.
    pub(crate) shape: Vec<usize>,
    /// Reading more than so many is an error: a text of any size is read in bounded memory.
    most: usize,
}

impl Found {
    /// Nothing yet, and no more than `most` numbers ever: those that the output has where its shape is known.
    pub(crate) fn new(most: usize) -> Found {
        Found { numbers: Vec::new(), quanta: Vec::new(), shape: Vec::new(), most }
    }

    pub(super) fn clear(&mut self) {
        self.numbers.clear();
        self.quanta.clear();
        self.shape.clear();
    }

    pub(super) fn push(&mut self, number: Number) -> Result<(), String> {
        if self.numbers.len() == self.most {
            return Err(self.too_many());
        }
        self.numbers.push(number.value);
        self.quanta.push(number.quantum);
        Ok(())
    }

    /// Refuses before they are read.
    pub(super) fn expect(&self, count: usize) -> Result<(), String> {
        if count > self.most { Err(self.too_many()) } else { Ok(()) }
    }

    fn too_many(&self) -> String {
        format!("there are more than the {} that the output has room for", self.most)
    }

    /// A list of all that was pushed.
    pub(super) fn list(&mut self) {
        self.shape.clear();
        self.shape.push(self.numbers.len());
    }
}
