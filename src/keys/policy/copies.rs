//! `copy`: what is made along with a record.

use super::decide::{Checker, Stop, refuse};
use super::document::Operation;
use super::fields::Unknown;

impl Checker<'_> {
    /// A copy sets every field, and makes the lines of the record once more.
    pub(super) fn copies(&self, model: &str) -> Result<(), Stop> {
        let mut copied = vec![model];
        let mut at = 0;
        while let Some(&model) = copied.get(at) {
            if !self.has_all_fields(model, Operation::Create) {
                return refuse(
                    "write_fields",
                    "copy",
                    format!("copy sets fields that are not named, and this key is limited to some of {model}."),
                );
            }
            let Some(lines) = self.knowledge.copied.get(model) else {
                return Err(Stop::Needs(Unknown::CopiedWith(model.to_owned())));
            };
            for line in lines.iter() {
                if !copied.contains(&&**line) {
                    self.makes(line)?;
                    copied.push(line);
                }
            }
            at += 1;
        }
        Ok(())
    }
}
