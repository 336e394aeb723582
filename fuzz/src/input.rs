//! Fuzz input as choices. When it runs out, every choice is the first one.

pub(crate) struct Input<'a>(&'a [u8]);

impl<'a> Input<'a> {
    pub(crate) fn new(data: &'a [u8]) -> Self {
        Self(data)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn byte(&mut self) -> u8 {
        let (byte, rest) = self.0.split_first().unwrap_or((&0, &[]));
        self.0 = rest;
        *byte
    }

    /// A number below `count`, which is at least 1.
    pub(crate) fn below(&mut self, count: usize) -> usize {
        usize::from(self.byte()) % count
    }

    pub(crate) fn flip(&mut self) -> bool {
        self.byte() & 1 == 1
    }

    /// Mostly small, at times a large one.
    pub(crate) fn number(&mut self) -> u16 {
        match self.byte() {
            0xff => u16::MAX,
            0xfe => u16::MAX - 1,
            0xf0..=0xfd => u16::from_be_bytes([self.byte(), self.byte()]),
            small => u16::from(small & 7),
        }
    }

    /// Up to 255 bytes, the first of which says how many.
    pub(crate) fn bytes(&mut self) -> &'a [u8] {
        let len = usize::from(self.byte()).min(self.0.len());
        let (bytes, rest) = self.0.split_at(len);
        self.0 = rest;
        bytes
    }
}
