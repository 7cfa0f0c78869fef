//! Derivatives a model has itself, and those that follow from them by linear algebra: a Jacobian from its
//! columns (JVPs of unit tangents) or rows (VJPs of unit cotangents), products from a Jacobian.

use std::time::Instant;

use num_complex::Complex;

use super::error::Place;
use super::jacobian::Values;
use super::report::Report;
use super::request::Request;
use super::settings::Settings;
use super::vectors::{Vectors, narrow, wide};
use super::{Context, Error, Jacobian};
use crate::model::{Instance, ModelError, Natives};
use crate::schema::{Dim, Leaf};
use crate::tree::{Array, DType, Layout, Path};

/// One question to a model that has derivatives of its own.
struct Asked<'a, 'c> {
    context: &'a Context<'c>,
    request: &'a Request,
    /// Where its inputs lie.
    place: Place,
    started: Instant,
    calls: usize,
}

/// The native Jacobian; `None` if differences are to be taken.
pub(super) fn jacobian(
    context: &Context<'_>,
    request: &Request,
    settings: &Settings,
) -> Result<Option<Jacobian>, Error> {
    ask(context, request, settings, Place::Base, |asked, instance, natives| {
        let wrt = asked.wrt();
        let real = !has_complex(&wrt);
        let how = match natives {
            Natives { jacobian: true, .. } => "native",
            Natives { jvp: true, .. } if real => "native, from jvp",
            Natives { vjp: true, .. } if real => "native, from vjp",
            _ => return Ok(None),
        };
        let of = asked.outputs(instance)?;
        let (of, blocks) = asked.blocks(instance, natives, &of, &wrt)?;
        let report = asked.report(how);
        Ok(Some(Jacobian::new(of, wrt, Values::Blocks(blocks), report)))
    })
}

/// The native JVP; `None` if differences are to be taken.
pub(super) fn jvp(
    context: &Context<'_>,
    request: &Request,
    settings: &Settings,
) -> Result<Option<(Vectors, Report)>, Error> {
    ask(context, request, settings, Place::Base, |asked, instance, natives| {
        let wrt = asked.wrt();
        if !natives.jvp && !natives.jacobian && has_complex(&wrt) {
            return Ok(None);
        }
        let of = asked.outputs(instance)?;
        if natives.jvp {
            let tangents: Vectors =
                asked.request.vectors.iter().map(|(path, array)| (path.clone(), wide(array))).collect();
            let arrays = asked.call(|request| instance.jvp(&request.inputs, &tangents, &of))?;
            for (path, array) in of.iter().zip(&arrays) {
                asked.expect_declared(path, array.shape())?;
            }
            let layout = asked.layout(&of, &arrays);
            return Ok(Some((asked.narrowed(&layout, &arrays)?, asked.report("native"))));
        }
        let (of, blocks) = asked.blocks(instance, natives, &of, &wrt)?;
        let tangent: Vec<_> = asked.request.vectors.iter().map(|(_, array)| complex(array)).collect();
        let products = of.spans().iter().enumerate().map(|(i, span)| {
            let rows = span.len / span.dtype.coordinates();
            let mut sum = vec![Complex::new(0.0, 0.0); rows];
            for (j, tangent) in tangent.iter().enumerate() {
                let block = complex(&blocks[i * wrt.spans().len() + j]);
                for (slot, row) in sum.iter_mut().zip(block.chunks(tangent.len().max(1))) {
                    *slot += row.iter().zip(tangent).map(|(a, b)| a * b).sum::<Complex<f64>>();
                }
            }
            real_parts(&sum, span.dtype)
        });
        let values: Vec<f64> = products.flatten().collect();
        let how = if natives.jacobian { "native, from jacobian" } else { "native, from vjp" };
        Ok(Some((narrow(&of, &values, context)?, asked.report(how))))
    })
}

/// The native VJP, for errors at this place; `None` if differences are to be taken.
pub(super) fn vjp(
    context: &Context<'_>,
    request: &Request,
    settings: &Settings,
    place: Place,
) -> Result<Option<(Vectors, Report)>, Error> {
    ask(context, request, settings, place, |asked, instance, natives| {
        let wrt = asked.wrt();
        if !natives.vjp && !natives.jacobian && has_complex(&wrt) {
            return Ok(None);
        }
        let of: Vec<Path> = asked.request.vectors.iter().map(|(path, _)| path.clone()).collect();
        if natives.vjp {
            let cotangents = asked.cotangents(instance)?;
            let paths: Vec<Path> = wrt.paths().cloned().collect();
            let arrays = asked.call(|request| instance.vjp(&request.inputs, &cotangents, &paths))?;
            for (span, array) in wrt.spans().iter().zip(&arrays) {
                asked.expect_shape(&span.path, array.shape(), &span.shape)?;
            }
            return Ok(Some((asked.narrowed(&wrt, &arrays)?, asked.report("native"))));
        }
        let (of, blocks) = asked.blocks(instance, natives, &of, &wrt)?;
        let mut values = Vec::new();
        for (j, span) in wrt.spans().iter().enumerate() {
            let mut sum = vec![Complex::new(0.0, 0.0); span.len / span.dtype.coordinates()];
            for (i, (path, cotangent)) in asked.request.vectors.iter().enumerate() {
                let output = &of.spans()[i];
                let cotangent = (*cotangent.shape() == *output.shape).then_some(cotangent).ok_or_else(|| {
                    let message = format!(
                        "Value error, the cotangent of {path} has shape {:?}, the output has {:?}",
                        cotangent.shape(),
                        output.shape
                    );
                    Error::caller(path.clone(), "value_error", message)
                })?;
                let block = complex(&blocks[i * wrt.spans().len() + j]);
                for (weight, row) in complex(cotangent).iter().zip(block.chunks(sum.len().max(1))) {
                    sum.iter_mut().zip(row).for_each(|(slot, entry)| *slot += weight * entry);
                }
            }
            values.extend(real_parts(&sum, span.dtype));
        }
        let how = if natives.jacobian { "native, from jacobian" } else { "native, from jvp" };
        Ok(Some((narrow(&wrt, &values, context)?, asked.report(how))))
    })
}

/// Asks, if the model has any derivative of its own and no algorithm was asked for.
fn ask<T>(
    context: &Context<'_>,
    request: &Request,
    settings: &Settings,
    place: Place,
    question: impl FnOnce(&mut Asked<'_, '_>, &mut dyn Instance, Natives) -> Result<Option<T>, Error>,
) -> Result<Option<T>, Error> {
    if settings.algorithm.is_some() {
        return Ok(None);
    }
    let mut instance = context.pool.lend(context.progress).map_err(|error| Error::opening(context.pool, error))?;
    let natives = instance.natives();
    if !natives.derivatives() {
        return Ok(None);
    }
    let mut asked = Asked { context, request, place, started: Instant::now(), calls: 0 };
    let answer = question(&mut asked, &mut *instance, natives);
    if answer.as_ref().is_err_and(Error::is_fatal) {
        instance.condemn();
    }
    answer
}

fn has_complex(layout: &Layout) -> bool {
    layout.spans().iter().any(|span| span.dtype.is_complex())
}

fn complex(array: &Array) -> Vec<Complex<f64>> {
    let values = array.to_vec();
    if array.dtype().is_complex() {
        values.chunks_exact(2).map(|pair| Complex::new(pair[0], pair[1])).collect()
    } else {
        values.into_iter().map(|value| Complex::new(value, 0.0)).collect()
    }
}

/// The coordinates of numbers that stand for a leaf of `dtype`.
fn real_parts(values: &[Complex<f64>], dtype: DType) -> Vec<f64> {
    if dtype.is_complex() {
        values.iter().flat_map(|value| [value.re, value.im]).collect()
    } else {
        values.iter().map(|value| value.re).collect()
    }
}

impl Asked<'_, '_> {
    fn wrt(&self) -> Layout {
        Layout::of(&self.request.inputs, &self.request.wrt)
            .unwrap_or_else(|absent| unreachable!("a request's inputs are there: {absent:?}"))
    }

    fn error(&self, error: ModelError) -> Error {
        Error::at(self.context.pool, self.place.clone(), error)
    }

    fn call<T>(&mut self, call: impl FnOnce(&Request) -> Result<T, ModelError>) -> Result<T, Error> {
        self.calls += 1;
        self.context.progress.plan(1);
        let answer = call(self.request).map_err(|error| self.error(error))?;
        self.context.progress.advance(1);
        Ok(answer)
    }

    /// The outputs asked for; where keys or lengths are open, an evaluation tells them.
    fn outputs(&mut self, instance: &mut dyn Instance) -> Result<Vec<Path>, Error> {
        if let Some(paths) = self.request.of.paths() {
            return Ok(paths);
        }
        let outputs = self.call(|request| instance.apply(&request.inputs))?;
        self.request.of.resolve(&outputs)
    }

    /// The cotangents in the shapes the outputs really have, which a model may rely on.
    fn cotangents(&mut self, instance: &mut dyn Instance) -> Result<Vectors, Error> {
        let shapes = self.request.inputs.map(&mut |array| array.to_abstract());
        let known = self.context.pool.model().signature().output_shapes(&shapes);
        let outputs = match known {
            Some(outputs) => outputs,
            None if instance.natives().abstract_eval => self.call(|_| instance.abstract_eval(&shapes))?,
            None => self.call(|request| instance.apply(&request.inputs))?.map(&mut |array| array.to_abstract()),
        };
        let fit = |(path, array): &(Path, Array)| {
            let shape = outputs.leaf(path).map(|leaf| &*leaf.shape);
            shape.filter(|shape| *array.shape() == **shape).ok_or_else(|| {
                let found = array.shape();
                let message = match shape {
                    Some(shape) => {
                        format!("Value error, the cotangent of {path} has shape {found:?}, the output has {shape:?}")
                    }
                    None => format!("Value error, the model's outputs have no {path} at these inputs"),
                };
                Error::caller(path.clone(), "value_error", message)
            })?;
            Ok((path.clone(), wide(array)))
        };
        self.request.vectors.iter().map(fit).collect()
    }

    /// All blocks of the Jacobian, outputs outermost, by whatever the model has.
    fn blocks(
        &mut self,
        instance: &mut dyn Instance,
        natives: Natives,
        of: &[Path],
        wrt: &Layout,
    ) -> Result<(Layout, Vec<Array>), Error> {
        let paths: Vec<Path> = wrt.paths().cloned().collect();
        let blocks = if natives.jacobian {
            self.call(|request| instance.jacobian(&request.inputs, &paths, of))?
        } else if natives.jvp {
            self.blocks_by_columns(instance, of, wrt)?
        } else {
            self.blocks_by_rows(instance, of, wrt)?
        };
        // A block's shape is that of the output, then that of the input.
        let mut layout = Layout::default();
        for (path, row) in of.iter().zip(blocks.chunks(paths.len().max(1))) {
            let mut shape: Option<&[usize]> = None;
            for (span, block) in wrt.spans().iter().zip(row) {
                let rank = block.shape().len().saturating_sub(span.shape.len());
                let (out, tail) = block.shape().split_at(rank);
                let expected: Vec<usize> = shape.unwrap_or(out).iter().chain(span.shape.iter()).copied().collect();
                if tail != &*span.shape || shape.is_some_and(|shape| shape != out) {
                    self.expect_shape(path, block.shape(), &expected)?;
                }
                self.expect_finite(path, block)?;
                shape = Some(out);
            }
            let dtype =
                self.context.pool.model().signature().outputs.leaf(path).map_or(DType::Float64, |leaf| leaf.dtype);
            let shape = shape.unwrap_or_default();
            self.expect_declared(path, shape)?;
            layout.push(path.clone(), dtype, shape);
        }
        Ok((layout, blocks))
    }

    fn blocks_by_columns(
        &mut self,
        instance: &mut dyn Instance,
        of: &[Path],
        wrt: &Layout,
    ) -> Result<Vec<Array>, Error> {
        let mut columns = Vec::with_capacity(wrt.len());
        for coordinate in 0..wrt.len() {
            let mut tangent = vec![0.0; wrt.len()];
            tangent[coordinate] = 1.0;
            let tangents: Vectors = units(wrt, &tangent);
            columns.push(self.call(|request| instance.jvp(&request.inputs, &tangents, of))?);
        }
        let block = |i: usize, span: &crate::tree::Span| {
            let columns = &columns[span.offset..span.offset + span.len];
            let out = columns.first().map(|column| column[i].shape().to_vec()).unwrap_or_default();
            let columns: Vec<Vec<f64>> = columns.iter().map(|column| column[i].to_vec()).collect();
            let rows = out.iter().product::<usize>();
            let values =
                (0..rows).flat_map(|r| columns.iter().map(move |column| column.get(r).copied().unwrap_or(f64::NAN)));
            let shape: Vec<usize> = out.iter().chain(span.shape.iter()).copied().collect();
            Array::new(&shape, values.collect::<Vec<f64>>())
        };
        Ok((0..of.len())
            .flat_map(|i| wrt.spans().iter().map(move |span| (i, span)))
            .map(|(i, span)| block(i, span))
            .collect())
    }

    fn blocks_by_rows(&mut self, instance: &mut dyn Instance, of: &[Path], wrt: &Layout) -> Result<Vec<Array>, Error> {
        // How many rows there are, the outputs tell.
        let outputs = self.call(|request| instance.apply(&request.inputs))?;
        let absent = |path: &Path| {
            Error::caller(
                path.clone(),
                "value_error",
                format!("Value error, the model's outputs have no {path} at these inputs"),
            )
        };
        let layout = Layout::of(&outputs, of).map_err(|missing| absent(&missing.0))?;
        let paths: Vec<Path> = wrt.paths().cloned().collect();
        let mut blocks = Vec::new();
        for output in layout.spans() {
            let mut rows: Vec<Vec<f64>> = vec![Vec::new(); paths.len()];
            for row in 0..output.len {
                let mut unit = vec![0.0; output.len];
                unit[row] = 1.0;
                let cotangent = vec![(output.path.clone(), Array::new(&output.shape, unit))];
                let arrays = self.call(|request| instance.vjp(&request.inputs, &cotangent, &paths))?;
                for ((rows, array), span) in rows.iter_mut().zip(&arrays).zip(wrt.spans()) {
                    self.expect_shape(&span.path, array.shape(), &span.shape)?;
                    rows.extend(array.to_vec());
                }
            }
            for (values, span) in rows.into_iter().zip(wrt.spans()) {
                let shape: Vec<usize> = output.shape.iter().chain(span.shape.iter()).copied().collect();
                blocks.push(Array::new(&shape, values));
            }
        }
        Ok(blocks)
    }

    fn layout(&self, of: &[Path], arrays: &[Array]) -> Layout {
        let mut layout = Layout::default();
        for (path, array) in of.iter().zip(arrays) {
            let dtype =
                self.context.pool.model().signature().outputs.leaf(path).map_or(DType::Float64, |leaf| leaf.dtype);
            layout.push(path.clone(), dtype, array.shape());
        }
        layout
    }

    /// Arrays in the dtypes they are declared with.
    fn narrowed(&self, layout: &Layout, arrays: &[Array]) -> Result<Vectors, Error> {
        let mut values = Vec::with_capacity(layout.len());
        for (span, array) in layout.spans().iter().zip(arrays) {
            self.expect_finite(&span.path, array)?;
            values.extend(real_parts(&complex(array), span.dtype));
        }
        narrow(layout, &values, self.context)
    }

    fn expect_shape(&self, path: &Path, found: &[usize], expected: &[usize]) -> Result<(), Error> {
        if found == expected {
            return Ok(());
        }
        let error =
            ModelError::failed(format!("its own derivative at {path} has shape {found:?}, expected {expected:?}"));
        Err(self.error(error))
    }

    /// The shape of an output that a derivative is of, as far as the schemas tell it.
    fn expect_declared(&self, path: &Path, found: &[usize]) -> Result<(), Error> {
        let signature = self.context.pool.model().signature();
        let Some(dims) = signature.outputs.leaf(path).and_then(|leaf| leaf.shape.as_deref()) else { return Ok(()) };
        let known = signature.output_shapes(&self.request.inputs.map(&mut |array| array.to_abstract()));
        if let Some(output) = known.as_ref().and_then(|outputs| outputs.leaf(path)) {
            return self.expect_shape(path, found, &output.shape);
        }
        let fits = |(dim, &size): (&Dim, &usize)| !matches!(dim, Dim::Fixed(fixed) if *fixed != size);
        if dims.len() == found.len() && dims.iter().zip(found).all(fits) {
            return Ok(());
        }
        let expected = signature.outputs.leaf(path).map(Leaf::shape_text).unwrap_or_default();
        let error = ModelError::failed(format!(
            "its own derivative at {path} is that of an output of shape {found:?}, expected {expected}"
        ));
        Err(self.error(error))
    }

    fn expect_finite(&self, path: &Path, array: &Array) -> Result<(), Error> {
        if array.to_vec().iter().all(|value| value.is_finite()) {
            return Ok(());
        }
        let error = ModelError::failed(format!("its own derivative at {path} is not finite"));
        Err(self.error(error))
    }

    fn report(&self, how: &str) -> Report {
        Report {
            algorithm: how.to_owned(),
            evaluations: self.calls,
            elapsed: self.started.elapsed(),
            workers: 1,
            ..Report::default()
        }
    }
}

fn units(layout: &Layout, values: &[f64]) -> Vectors {
    layout
        .spans()
        .iter()
        .map(|span| (span.path.clone(), Array::new(&span.shape, values[span.offset..span.offset + span.len].to_vec())))
        .collect()
}
