//! A break as a case, pure: open until it is explained, corrected or written off.
//!
//! A write-off takes two people: one proposes it, another does it.

use production_core::coded_enum;

coded_enum! {
    /// What somebody does about a case.
    pub enum Action ("step of a case") {
        Explain = "explain", "说明", "there is no difference, and why";
        Correct = "correct", "更正", "the difference was corrected, and how";
        ProposeWriteOff = "propose_write_off", "申请核销", "the difference should be borne, and why";
        WriteOff = "write_off", "核销", "another person agrees that it is borne";
        Keep = "keep", "驳回核销", "it is not written off, and why";
        Reopen = "reopen", "重开", "it was not over after all, and why";
    }
}

/// Where a case stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CaseStage {
    /// Nobody has settled it.
    Open,
    /// Explained.
    Explained,
    /// Corrected.
    Corrected,
    /// Somebody proposes to write it off.
    WriteOffProposed {
        /// Who.
        by: String,
    },
    /// Written off. Final.
    WrittenOff,
}

/// Why a step is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CaseRefusal {
    /// Not from here.
    #[error("the case's stage does not allow this step")]
    Stage,
    /// Four eyes.
    #[error("whoever proposed the write-off cannot do it")]
    SamePerson,
}

impl CaseStage {
    /// The stage as a code.
    pub const fn code(&self) -> &'static str {
        match self {
            CaseStage::Open => "open",
            CaseStage::Explained => "explained",
            CaseStage::Corrected => "corrected",
            CaseStage::WriteOffProposed { .. } => "write_off_proposed",
            CaseStage::WrittenOff => "written_off",
        }
    }

    /// Takes a step.
    pub fn act(self, action: Action, by: &str) -> Result<CaseStage, CaseRefusal> {
        match (self, action) {
            (CaseStage::Open, Action::Explain) => Ok(CaseStage::Explained),
            (CaseStage::Open, Action::Correct) => Ok(CaseStage::Corrected),
            (CaseStage::Open, Action::ProposeWriteOff) => {
                Ok(CaseStage::WriteOffProposed { by: by.to_owned() })
            }
            (CaseStage::WriteOffProposed { by: proposer }, Action::WriteOff) if proposer == by => {
                Err(CaseRefusal::SamePerson)
            }
            (CaseStage::WriteOffProposed { .. }, Action::WriteOff) => Ok(CaseStage::WrittenOff),
            (CaseStage::WriteOffProposed { .. }, Action::Keep) => Ok(CaseStage::Open),
            (CaseStage::Explained | CaseStage::Corrected, Action::Reopen) => Ok(CaseStage::Open),
            _ => Err(CaseRefusal::Stage),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_write_off_takes_two_people_and_is_final() {
        use Action::{Explain, Keep, ProposeWriteOff, Reopen, WriteOff};
        let story = |steps: &[(Action, &str)]| {
            steps.iter().try_fold(CaseStage::Open, |stage, (action, by)| stage.act(*action, by))
        };
        assert_eq!(story(&[(ProposeWriteOff, "a"), (WriteOff, "b")]), Ok(CaseStage::WrittenOff));
        let alone = [(ProposeWriteOff, "a"), (WriteOff, "a")];
        assert_eq!(story(&alone), Err(CaseRefusal::SamePerson));
        assert_eq!(story(&[(WriteOff, "b")]), Err(CaseRefusal::Stage));
        assert_eq!(story(&[(ProposeWriteOff, "a"), (Keep, "b")]), Ok(CaseStage::Open));
        assert_eq!(story(&[(Explain, "a"), (Reopen, "b")]), Ok(CaseStage::Open));
        let after = [(ProposeWriteOff, "a"), (WriteOff, "b"), (Reopen, "b")];
        assert_eq!(story(&after), Err(CaseRefusal::Stage));
    }
}
