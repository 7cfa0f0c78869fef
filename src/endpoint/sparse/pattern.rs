//! The pattern of a request and its groups: as the manifest declares it, or as it shows in the numbers.

use std::sync::{Arc, PoisonError};

use rand::rngs::ChaCha8Rng;
use rand::{RngExt, SeedableRng};

use super::{Asked, matrix_market, recovering};
use crate::diff::{self, Algorithm, Axes, Colouring, Derivative, Displacement, Kind, Plan, Problem, Sparsity, Step};
use crate::endpoint::axes::refused;
use crate::endpoint::differences::{Prepared, Scouted, carry_out, prepare, scout};
use crate::endpoint::request::{Request, Wanted};
use crate::endpoint::{Context, Error};
use crate::manifest::Structure;
use crate::model::Base;
use crate::schema::Side;
use crate::tree::{Layout, Path, Pattern, Tree};

/// A dense matrix that a pattern is detected in has at most so many entries.
const MOST_ENTRIES: usize = 1 << 27;

/// An entry is one when the output changes by more than so many standard deviations of its noise.
const DEVIATIONS: f64 = 8.0;

/// A pattern and its groups, and for which request that is.
#[derive(Debug)]
pub(super) struct Coloured {
    of: Layout,
    wrt: Layout,
    apart: Vec<usize>,
    pub(super) pattern: Arc<Sparsity>,
    pub(super) colouring: Arc<Colouring>,
    /// All coordinates in one group.
    pub(super) whole: Arc<Colouring>,
}

impl Asked<'_> {
    /// The pattern of what is asked for and its groups, as the last time if they can be, and the evaluations it took.
    pub(super) fn coloured(&self, scouted: &Scouted, axes: &Axes, anew: bool) -> Result<(Arc<Coloured>, usize), Error> {
        let rule = self.rule;
        let Base { of, wrt, .. } = &scouted.base;
        let apart = axes.apart();
        let last = || rule.last.lock().unwrap_or_else(PoisonError::into_inner);
        let kept = last().clone().filter(|kept| !anew && kept.of == *of && kept.wrt == *wrt);
        if let Some(kept) = kept.filter(|kept| kept.apart == apart) {
            return Ok((kept, 0));
        }
        let (pattern, spent) = match rule.structure {
            Structure::Detect => self.detected(scouted, axes, anew)?,
            _ => (self.declared(scouted)?, 0),
        };
        let mut kinds = vec![false; axes.len()];
        apart.iter().for_each(|&column| kinds[column] = true);
        let colouring = Arc::new(pattern.colours(&kinds));
        let pattern = Arc::new(pattern);
        let whole = Arc::new(Colouring::of_all(axes.len()));
        let coloured = Coloured { of: of.clone(), wrt: wrt.clone(), apart, pattern, colouring, whole };
        let coloured = Arc::new(coloured);
        *last() = Some(coloured.clone());
        Ok((coloured, spent))
    }

    /// The pattern of what is asked for, as the manifest says.
    fn declared(&self, scouted: &Scouted) -> Result<Sparsity, Error> {
        let Asked { context, rule, .. } = self;
        let base = &scouted.base;
        let (m, n) = (base.of.len(), base.wrt.len());
        if let Structure::Blocks(pairs) = &rule.structure {
            let depends = |of: &Path, wrt: &Path| {
                let named =
                    |text: &str, path: &Path| text.parse::<Pattern>().is_ok_and(|pattern| pattern.matches(path));
                pairs.iter().any(|[output, input]| named(output, of) && named(input, wrt))
            };
            let mut entries = Vec::new();
            for of in base.of.spans() {
                for wrt in base.wrt.spans().iter().filter(|wrt| depends(&of.path, &wrt.path)) {
                    let rows = of.offset as u32..(of.offset + of.len) as u32;
                    entries.extend(
                        (wrt.offset..wrt.offset + wrt.len)
                            .flat_map(|column| rows.clone().map(move |row| (row, column as u32))),
                    );
                }
            }
            return Ok(Sparsity::new(m, n, entries).unwrap_or_default());
        }
        // The others are of all that is differentiable; a request may be of less.
        let signature = context.pool.model().signature();
        let all = |side: Side, tree: &Tree| -> Result<Layout, Error> {
            let wanted = Wanted(signature.differentiable(side).into_iter().map(|(pattern, _)| pattern).collect());
            Ok(Layout::of(tree, &wanted.resolve(tree)?)
                .unwrap_or_else(|absent| unreachable!("just resolved: {absent:?}")))
        };
        let (rows, columns) = (all(Side::Output, &scouted.outputs)?, all(Side::Input, &base.inputs)?);
        let whole = match &rule.structure {
            Structure::Diagonal => Sparsity::banded(rows.len(), columns.len(), 0, 0),
            Structure::Banded([below, above]) => Sparsity::banded(rows.len(), columns.len(), *below, *above),
            _ => {
                let Some(matrix) = &rule.matrix else { unreachable!("a file is read with its manifest") };
                if (matrix.rows(), matrix.columns()) != (rows.len(), columns.len()) {
                    let message = format!(
                        "Value error, the sparsity pattern of the manifest is of a {} x {} matrix, but at these inputs \
                     the Jacobian is {} x {}",
                        matrix.rows(),
                        matrix.columns(),
                        rows.len(),
                        columns.len()
                    );
                    return Err(Error::caller(Path::root(), "value_error", message));
                }
                matrix.as_ref().clone()
            }
        };
        if (m, n) == (rows.len(), columns.len()) {
            return Ok(whole);
        }
        let (row_of, column_of) = (placed(&rows, &base.of), placed(&columns, &base.wrt));
        let mut entries = Vec::new();
        for (column, place) in column_of.iter().enumerate().filter_map(|(column, place)| Some((column, (*place)?))) {
            let rows = whole.column(column).iter().filter_map(|&row| row_of[row as usize]);
            entries.extend(rows.map(|row| (row as u32, place as u32)));
        }
        Ok(Sparsity::new(m, n, entries).unwrap_or_default())
    }

    /// The pattern as it shows in the numbers: kept on disk, and found again when it does not fit any more.
    ///
    /// Every coordinate moves by a hundredth of its scale, from a point that lies a little apart, so that no derivative is
    /// 0 by chance; an entry is one where the output changes by more than its noise.
    fn detected(&self, scouted: &Scouted, axes: &Axes, anew: bool) -> Result<(Sparsity, usize), Error> {
        let Asked { context, request, settings, rule } = self;
        let settings = &recovering(settings);
        let base = &scouted.base;
        let (m, n) = (base.of.len(), base.wrt.len());
        let file = rule.cache.as_ref().map(|folder| folder.join(key(context, base)));
        let kept = file.as_ref().and_then(|file| matrix_market::read(&std::fs::read_to_string(file).ok()?).ok());
        if let Some(kept) = kept.filter(|kept| (kept.rows(), kept.columns()) == (m, n) && !anew) {
            return Ok((kept, 0));
        }
        if m.saturating_mul(n) > MOST_ENTRIES {
            let message = format!(
                "Value error, a pattern of {m} x {n} entries is too large to be detected: declare it in the manifest"
            );
            return Err(Error::caller(Path::root(), "value_error", message));
        }
        let mut random = ChaCha8Rng::seed_from_u64(2);
        let elsewhere: Displacement = axes
            .iter()
            .enumerate()
            .map(|(i, axis)| (i, axis.within(0.01 * random.random_range(0.5..1.0) * axis.scale_here())))
            .collect();
        let moved = Request { inputs: base.displaced(&elsewhere), ..(*request).clone() };
        let Prepared { base: near, axes: there, .. } = prepare(context, &moved, settings)?;
        let near = scout(context, &moved, near, &Displacement::new(), diff::Place::Base)?;
        if near.base.of.len() != m {
            // Outputs of other shapes there: nothing can be learnt from them.
            return Ok((Sparsity::banded(m, n, m, n), 1));
        }
        // The noise, from a product that measures it.
        let tangent = vec![1.0; n];
        let automatic = there.map(|kind| Kind { by_hand: false, ..kind });
        let refused_at = |defects: Vec<diff::Defect>| refused(&defects, &near.base);
        let plan = Plan::new(automatic, Problem::Jvp(&tangent), Algorithm::Auto, true).map_err(refused_at)?;
        let (along, _) = carry_out(context, settings, &near, plan, None)?;
        let noise = along.noise.unwrap_or_else(|| vec![0.0; m]);
        let wide = there.map(|kind| Kind { step: Step::Relative(1.0 / 128.0), by_hand: true, ..kind });
        let plan = Plan::new(wide, Problem::Jacobian, Algorithm::Forward, false).map_err(refused_at)?;
        let (found, _) = carry_out(context, settings, &near, plan, None)?;
        let floor = noise.iter().zip(&near.outcome).map(|(noise, value)| noise.max(f64::EPSILON * value.abs()));
        let noise = seen_in_changes(&found, floor.collect());
        let mut entries = Vec::new();
        for (column, numbers) in found.values.chunks_exact(m.max(1)).enumerate() {
            let changes = |row: usize| numbers[row].abs() * found.steps[column] > DEVIATIONS * noise[row];
            entries.extend((0..m).filter(|&row| changes(row)).map(|row| (row as u32, column as u32)));
        }
        let pattern = Sparsity::new(m, n, entries).unwrap_or_default();
        if let Some(file) = file {
            // Without a cache it is detected each time.
            if let Err(error) = matrix_market::write(&file, &pattern) {
                tracing::warn!("{}: {error}", file.display());
            }
        }
        // The base of both was evaluated once.
        Ok((pattern, along.evaluations + found.evaluations - 1))
    }
}

/// The noise of every output, no less than was measured, as it shows in a dense matrix.
///
/// Seven values now and then tell far too little noise, and of many outputs some are such. But if an output depends on a
/// few inputs only, most of its changes are noise: a quarter of them are less than 0.32 deviations of a difference.
/// Where a quarter is far above what was measured, the output depends on all inputs. Of few inputs a quarter says nothing.
fn seen_in_changes(found: &Derivative, mut noise: Vec<f64>) -> Vec<f64> {
    const QUARTER: f64 = 0.32 * std::f64::consts::SQRT_2;
    const FAR_ABOVE: f64 = 16.0;
    const FEW: usize = 16;
    const BLOCK: usize = 64;
    let (m, n) = (noise.len(), found.steps.len());
    if n < FEW {
        return noise;
    }
    let mut changes = vec![0.0; BLOCK * n];
    for (block, noise) in noise.chunks_mut(BLOCK).enumerate() {
        for (column, (numbers, step)) in found.values.chunks_exact(m).zip(&found.steps).enumerate() {
            let numbers = &numbers[block * BLOCK..][..noise.len()];
            numbers.iter().enumerate().for_each(|(row, number)| changes[row * n + column] = number.abs() * step);
        }
        for (noise, changes) in noise.iter_mut().zip(changes.chunks_exact_mut(n)) {
            let seen = *changes.select_nth_unstable_by(n / 4, f64::total_cmp).1 / QUARTER;
            *noise = if seen < FAR_ABOVE * *noise { noise.max(seen) } else { *noise };
        }
    }
    noise
}

/// Where each coordinate of a layout lies in a part of it, if it does.
fn placed(whole: &Layout, part: &Layout) -> Vec<Option<usize>> {
    let mut places = vec![None; whole.len()];
    for span in whole.spans() {
        if let Some(inside) = part.span(&span.path) {
            for i in 0..span.len {
                places[span.offset + i] = Some(inside.offset + i);
            }
        }
    }
    places
}

/// A file name for the patterns of a model at inputs of these shapes.
fn key(context: &Context<'_>, base: &Base) -> String {
    let description = context.pool.model().description();
    let mut text = format!("{}\n{}\n{}\n", description.name, description.version, description.kind);
    for span in base.of.spans().iter().chain(base.wrt.spans()) {
        text += &format!("{} {:?}\n", span.path, span.shape);
    }
    // FNV-1a.
    let hash = text
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
    let name: String = description.name.chars().map(|c| if c.is_alphanumeric() { c } else { '-' }).collect();
    format!("{name}-{hash:016x}.mtx")
}
