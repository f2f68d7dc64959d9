//! Who uses the storage in the model: each step is one call, and what the process does with the answer.

use super::protocol::{LeftOut, SEQS, Store, WRITERS};
use super::reader::Reader;
use super::recovery::{Recoverer, Trimmer};
use super::writer::Writer;

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Process {
    Writer(Writer),
    Reader(Reader),
    Recoverer(Recoverer),
    Trimmer(Trimmer),
}

/// What a step came to.
#[derive(Debug, PartialEq, Eq)]
pub enum Step {
    /// It was taken.
    Done,
    /// There is none with this choice.
    None,
    /// It was taken, and showed or answered what is not so.
    Lied,
}

impl Process {
    /// How many choices a step of it has at most.
    pub fn choices(&self) -> u8 {
        match self {
            Self::Writer(_) => 2,
            Self::Reader(_) => 1,
            Self::Recoverer(_) => WRITERS as u8,
            Self::Trimmer(_) => SEQS as u8,
        }
    }

    pub fn step(&mut self, choice: u8, store: &mut Store, left_out: Option<LeftOut>) -> Step {
        match self {
            Self::Writer(writer) => writer.step(choice, store, left_out),
            Self::Reader(reader) => reader.step(store, left_out),
            Self::Recoverer(recoverer) => recoverer.step(choice, store, left_out),
            Self::Trimmer(trimmer) => trimmer.step(choice, store),
        }
    }
}
