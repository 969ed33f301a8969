//! Scorers as bytes.

use super::{Kind, Known, Scorer};
use crate::stored::{Reader, StoredError, Writer};
use crate::trees::Chances;

/// What the bytes begin with; the last letter is the form.
const MARK: &[u8; 8] = b"cw-scor1";

/// Seeds trees are grown from at most.
const MOST_FORESTS: usize = 1_000;

/// Columns, and levels of one, at most.
const MOST: usize = 65_536;

impl Scorer {
    /// The scorer as bytes; equal scorers are equal bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = Writer(MARK.to_vec());
        out.number(self.linear);
        out.number(self.base);
        out.count(self.columns.len());
        for column in &self.columns {
            out.text(&column.name);
            match &column.kind {
                Kind::Numeric { slope, centre } => {
                    out.byte(0);
                    out.number(*slope);
                    out.number(*centre);
                }
                Kind::Factor { levels, effects, common } => {
                    out.byte(1);
                    out.texts(levels);
                    out.numbers(effects);
                    out.count(*common);
                }
            }
        }
        out.count(self.forests.len());
        self.forests.iter().for_each(|forest| forest.write(&mut out));
        out.0
    }

    /// The scorer of [`Scorer::to_bytes`]: it scores as the one that was written, to the bit.
    pub fn from_bytes(bytes: &[u8]) -> Result<Scorer, StoredError> {
        let mut from = Reader::new(bytes);
        if from.take(MARK.len())? != MARK {
            return Err(StoredError("it is no scorer, or one of another release"));
        }
        let (linear, base) = (from.number()?, from.number()?);
        let columns = (0..from.count(MOST)?).map(|_| known(&mut from));
        let columns = columns.collect::<Result<Vec<Known>, _>>()?;
        let forests = (0..from.count(MOST_FORESTS)?).map(|_| Chances::read(&mut from));
        let forests = forests.collect::<Result<Vec<Chances>, _>>()?;
        from.end()?;
        if forests.is_empty() {
            return Err(StoredError("it has no trees"));
        }
        let scorer = Scorer { forests, columns, base, linear };
        if !scorer.forests.iter().all(|forest| scorer.fits(forest)) {
            return Err(StoredError("trees ask for a column or level it does not have"));
        }
        Ok(scorer)
    }

    /// Whether trees know every column they ask for, and every level a row may be taken for.
    fn fits(&self, forest: &Chances) -> bool {
        forest.features().iter().all(|feature| {
            let own = self.columns.iter().find(|column| column.name == feature.name);
            match own.map(|column| &column.kind) {
                None => false,
                Some(Kind::Numeric { .. }) => feature.levels().is_none(),
                Some(Kind::Factor { levels, .. }) => feature
                    .levels()
                    .is_some_and(|known| levels.iter().all(|level| known.contains(level))),
            }
        })
    }
}

fn known(from: &mut Reader<'_>) -> Result<Known, StoredError> {
    let name = from.text()?;
    let kind = match from.byte()? {
        0 => Kind::Numeric { slope: from.number()?, centre: from.number()? },
        1 => {
            let (levels, effects) = (from.texts(MOST)?, from.numbers(MOST)?);
            let common = from.count(MOST)?;
            if levels.len() != effects.len() || common >= levels.len() {
                return Err(StoredError("a factor's levels and effects do not fit"));
            }
            Kind::Factor { levels, effects, common }
        }
        _ => return Err(StoredError("a column is neither numbers nor levels")),
    };
    Ok(Known { name, kind })
}
