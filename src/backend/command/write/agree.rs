//! One number, one value: what an input is rounded to that several fields carry.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use super::text::Text;
use crate::diff::Decimal;
use crate::tree::Path;

/// How each coordinate that is written must be rounded, by leaf and coordinate, so that all texts say the same value of
/// it: as the coarsest of its fields has it. `texts` come with the names of their files.
///
/// # Errors
/// All coordinates that two fields would make two values of.
pub(crate) fn decimals<'t>(
    texts: impl IntoIterator<Item = (&'t str, &'t Text)>,
) -> Result<BTreeMap<Path, BTreeMap<usize, Decimal>>, String> {
    let mut agreed: BTreeMap<Path, BTreeMap<usize, (Decimal, &str)>> = BTreeMap::new();
    let mut conflicts = Vec::new();
    for (file, text) in texts {
        for field in text.fields() {
            if !agreed.contains_key(&field.path) {
                agreed.insert(field.path.clone(), BTreeMap::new());
            }
            let Some(elements) = agreed.get_mut(&field.path) else { continue };
            match elements.entry(field.element) {
                Entry::Vacant(entry) => {
                    entry.insert((field.decimal, file));
                }
                Entry::Occupied(mut entry) => {
                    let (before, other) = *entry.get();
                    if before.carries(&field.decimal) {
                        entry.insert((field.decimal, file));
                    } else if !field.decimal.carries(&before) {
                        conflicts.push(format!(
                            "coordinate {} of {} is written as {before} in {other} and as {} in {file}: two formats make two \
                             values of it, so write it in one",
                            field.element, field.path, field.decimal
                        ));
                    }
                }
            }
        }
    }
    if !conflicts.is_empty() {
        return Err(conflicts.join("\n"));
    }
    let plain = |elements: BTreeMap<usize, (Decimal, &str)>| {
        elements.into_iter().map(|(element, (decimal, _))| (element, decimal)).collect()
    };
    Ok(agreed.into_iter().map(|(path, elements)| (path, plain(elements))).collect())
}
